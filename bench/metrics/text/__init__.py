"""Is the text in the picture the text that was asked for?"""
