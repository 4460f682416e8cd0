"""Does the picture show what the prompt says?"""
