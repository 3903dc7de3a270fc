"""The notes engine: search, answers with citations, summaries, tags, facts and timelines over a person's own notes, offline."""
