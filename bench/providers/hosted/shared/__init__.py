"""What several vendors share: addresses, downloads, answers, OpenAI's protocol."""
