// 100,000 rows in memory: inserted, indexed, queried.
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

static int show(void *context, int count, char **values, char **names) {
    (void)context;
    for (int i = 0; i < count; ++i) printf("%s=%s ", names[i], values[i] ? values[i] : "null");
    puts("");
    return 0;
}

static void run(sqlite3 *db, const char *sql) {
    char *why = NULL;
    if (sqlite3_exec(db, sql, show, NULL, &why) == SQLITE_OK) return;
    printf("%s: %s\n", sql, why);
    exit(1);
}

int main(void) {
    sqlite3 *db;
    if (sqlite3_open(":memory:", &db) != SQLITE_OK) return 1;
    run(db, "create table t (id integer primary key, name text, value integer)");
    run(db, "begin");
    sqlite3_stmt *insert;
    sqlite3_prepare_v2(db, "insert into t values (?, ?, ?)", -1, &insert, NULL);
    unsigned state = 12345;
    for (int i = 0; i < 100000; ++i) {
        char name[32];
        state = state * 1103515245 + 12345;
        snprintf(name, sizeof name, "name-%08x", state);
        sqlite3_bind_int(insert, 1, i);
        sqlite3_bind_text(insert, 2, name, -1, SQLITE_TRANSIENT);
        sqlite3_bind_int(insert, 3, (int)(state >> 16));
        if (sqlite3_step(insert) != SQLITE_DONE) return 2;
        sqlite3_reset(insert);
    }
    sqlite3_finalize(insert);
    run(db, "commit");
    run(db, "create index by_name on t (name)");
    run(db, "create index by_value on t (value)");
    run(db, "select count(*), sum(value), min(name), max(name) from t");
    run(db, "select * from t where value between 1000 and 1010 order by value, id limit 20");
    run(db, "select value % 10 as digit, count(*) as n from t group by digit order by digit");
    run(db, "update t set value = value + 1 where id % 3 = 0");
    run(db, "delete from t where id % 7 = 0");
    run(db, "select count(*), sum(value) from t");
    sqlite3_close(db);
    return 0;
}
