"""App kits: source code that travels with a model, so that an app has typed calls instead of text."""
