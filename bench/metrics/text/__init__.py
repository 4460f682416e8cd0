"""Is the text in the picture the text that the prompt asks for?"""
