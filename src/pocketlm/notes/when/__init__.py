"""What dates and times are called in English: words, a small grammar over them, and what it resolves to."""
