"""Pictures as bytes: decode, check, thumbnail, match with prompts."""
