PRAGMA application_id = 1398034004;
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE cursors (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO "cursors" VALUES('origin','17');
CREATE TABLE entries (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        agent TEXT NOT NULL,
        place INTEGER NOT NULL,
        kind INTEGER NOT NULL,
        state INTEGER NOT NULL,
        stored_at REAL NOT NULL,
        acknowledged_at REAL,
        expires_at REAL,
        handouts INTEGER NOT NULL,
        failure TEXT,
        attempts INTEGER NOT NULL,
        size INTEGER NOT NULL,
        message_id TEXT NOT NULL,
        topic TEXT NOT NULL,
        sender TEXT,
        priority INTEGER NOT NULL,
        timestamp REAL NOT NULL,
        ttl REAL,
        deadline REAL,
        content_type TEXT,
        headers TEXT,
        in_reply_to TEXT,
        cause TEXT,
        addressing TEXT NOT NULL,
        form TEXT NOT NULL,
        payload NOT NULL
    );
INSERT INTO "entries" VALUES(1,'gpt4',2,0,1,1800000000.0,NULL,NULL,1,NULL,0,206,'m-1','gpt4','moderator',1,1800000000.0,NULL,NULL,NULL,'{"k": "v"}',NULL,NULL,'topic','json','{"query":"why?"}');
INSERT INTO "entries" VALUES(2,'gpt4',0,0,0,1800000000.0,NULL,NULL,0,NULL,0,175,'m-2','gpt4',NULL,1,1800000000.0,NULL,NULL,NULL,NULL,NULL,NULL,'topic','text','text');
INSERT INTO "entries" VALUES(3,'gpt4',1,1,0,1800000000.0,NULL,NULL,0,'ValueError: no',1,173,'m-3','gpt4',NULL,1,1800000000.0,NULL,NULL,NULL,NULL,NULL,NULL,'topic','bytes',X'00FF');
INSERT INTO "entries" VALUES(4,'claude',3,2,0,1800000000.0,NULL,NULL,0,'TimeoutError: 5 s',3,186,'m-4','gpt4','moderator',2,1800000000.0,NULL,NULL,NULL,NULL,NULL,NULL,'topic','json','null');
CREATE TABLE sums (
        agent TEXT NOT NULL,
        kind INTEGER NOT NULL,
        state INTEGER NOT NULL,
        entries INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        PRIMARY KEY (agent, kind, state)
    ) WITHOUT ROWID
    ;
INSERT INTO "sums" VALUES('claude',2,0,1,186);
INSERT INTO "sums" VALUES('gpt4',0,0,1,175);
INSERT INTO "sums" VALUES('gpt4',0,1,1,206);
INSERT INTO "sums" VALUES('gpt4',1,0,1,173);
CREATE INDEX entries_by_place ON entries (agent, place, id);
CREATE INDEX entries_by_expiry ON entries (expires_at) WHERE place < 2 AND expires_at IS NOT NULL;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('entries',4);
COMMIT;
