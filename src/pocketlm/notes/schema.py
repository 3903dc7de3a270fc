"""The tables of a notes file. Any SQLite with FTS5 reads them; docs/notes-file.md explains every column.

A change of the tables is a new script behind the others; what stands here once is never edited.
"""

from __future__ import annotations

APPLICATION = 0x504C4D4E  # "PLMN" in the file's header: this is a notes file
MIGRATIONS = (
    """
CREATE TABLE setting(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE source(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    path TEXT NOT NULL UNIQUE,              -- file or folder; 'own' for notes made here
    kind TEXT NOT NULL                      -- json, jsonl, csv, markdown, text, own
);

CREATE TABLE note(
    id INTEGER PRIMARY KEY AUTOINCREMENT,   -- never given again, so that a citation never points to another note
    source INTEGER NOT NULL REFERENCES source(id),
    key TEXT NOT NULL,                      -- the source's id, or the path in the vault
    title TEXT NOT NULL DEFAULT '',
    content TEXT NOT NULL,
    date TEXT NOT NULL DEFAULT '',          -- of writing, ISO 8601; '' unknown
    folder TEXT NOT NULL DEFAULT '',
    head TEXT NOT NULL DEFAULT '{}',        -- frontmatter and other fields, JSON
    hash TEXT NOT NULL,                     -- of all that was imported
    stamp TEXT NOT NULL DEFAULT '',         -- size and time of its file
    merged INTEGER REFERENCES note(id),     -- the note that stands for it since a merge
    UNIQUE(source, key)
);
CREATE INDEX note_date ON note(date);
CREATE INDEX note_hash ON note(hash);
CREATE INDEX note_merged ON note(merged);
CREATE INDEX note_title ON note(title COLLATE NOCASE);

CREATE TABLE tag(
    note INTEGER NOT NULL REFERENCES note(id) ON DELETE CASCADE,
    name TEXT NOT NULL COLLATE NOCASE,
    origin TEXT NOT NULL DEFAULT 'own',     -- own: stands in the source; user: given here; model: proposed here
    confidence REAL NOT NULL DEFAULT 1,
    PRIMARY KEY(note, name)
) WITHOUT ROWID;
CREATE INDEX tag_name ON tag(name);

CREATE TABLE link(
    note INTEGER NOT NULL REFERENCES note(id) ON DELETE CASCADE,
    kind TEXT NOT NULL,                     -- wiki, markdown, url
    target TEXT NOT NULL COLLATE NOCASE,    -- as written
    start INTEGER NOT NULL,
    stop INTEGER NOT NULL,
    PRIMARY KEY(note, start)
) WITHOUT ROWID;
CREATE INDEX link_target ON link(target);

CREATE TABLE passage(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    note INTEGER NOT NULL REFERENCES note(id) ON DELETE CASCADE,
    start INTEGER NOT NULL,                 -- characters (code points) in the note's content, half open
    stop INTEGER NOT NULL,
    vector BLOB                             -- signed bytes, one a dimension; only the direction counts
);
CREATE INDEX passage_note ON passage(note);

CREATE VIEW passage_text AS
    SELECT passage.id AS id, note.title AS title,
           substr(note.content, passage.start + 1, passage.stop - passage.start) AS text
    FROM passage JOIN note ON note.id = passage.note;

CREATE VIRTUAL TABLE words USING fts5(
    title, text, content='passage_text', content_rowid='id', tokenize='porter unicode61 remove_diacritics 2'
);

-- an import that is under way: nothing here is searched until it is whole
CREATE TABLE incoming(
    source INTEGER NOT NULL REFERENCES source(id),
    key TEXT NOT NULL,
    draft TEXT NOT NULL,                    -- JSON of all that the source gives
    hash TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting',  -- waiting, failed
    why TEXT NOT NULL DEFAULT '',
    PRIMARY KEY(source, key)
) WITHOUT ROWID;
CREATE TABLE made_vector(hash BLOB PRIMARY KEY, vector BLOB NOT NULL) WITHOUT ROWID;

-- what the user said, in order; replayed when something is learnt anew
CREATE TABLE correction(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,                       -- ISO 8601, UTC
    kind TEXT NOT NULL,                     -- tag, untag, merge, link, unlink, thumb, and what else is learnt from
    note INTEGER,                           -- which may be gone by now
    value TEXT NOT NULL DEFAULT '{}',       -- JSON
    undone INTEGER NOT NULL DEFAULT 0
);

-- what was learnt from it; of one name the newest that is used counts
CREATE TABLE learnt(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    name TEXT NOT NULL,                     -- tags, fusion, ...
    value BLOB NOT NULL,
    score TEXT NOT NULL DEFAULT '{}',       -- JSON: before and after, on the part held out
    used INTEGER NOT NULL DEFAULT 1
);

CREATE TABLE reminder(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    due TEXT NOT NULL,                      -- ISO 8601
    text TEXT NOT NULL,
    note INTEGER REFERENCES note(id) ON DELETE SET NULL,
    done INTEGER NOT NULL DEFAULT 0
);
""",
)
