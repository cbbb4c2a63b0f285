#!/bin/sh
# The main job from end to end, without a server: a database that a writer is
# changing at that moment goes to a "bucket", which is a directory here, and
# comes back. Needs lifeboat on the PATH and the sqlite3 tool.
set -eu

work=$(mktemp -d "${TMPDIR:-/tmp}/lifeboat-demo-XXXXXX")
writer=
finish() {
	code=$?
	trap - EXIT
	touch "$work/stop" # ends the writer
	if [ -n "$writer" ]; then wait "$writer" || true; fi
	rm -rf "$work"
	exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
cd "$work"
bucket="file://$work/bucket"
export XDG_CACHE_HOME="$work/cache" # nothing of the demo stays

step() { printf '\n\033[1m%s\033[0m\n' "$*"; }
run() {
	printf '$ %s\n' "$*"
	"$@"
}
ask() { sqlite3 -batch -cmd '.timeout 10000' "$1" "$2"; }
fail() {
	echo "demo failed: $*" >&2
	exit 1
}

step "A bank with 100,000 accounts of 100 each. The sum is always 10,000,000."
ask bank.db "
	PRAGMA journal_mode = WAL;
	CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL, owner TEXT);
	CREATE TABLE transfer (id INTEGER PRIMARY KEY, amount INTEGER, note TEXT);
	WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
	INSERT INTO account SELECT i, 100, 'owner ' || i || ' ' || hex(randomblob(150)) FROM n;" >writer.log
ls -lh bank.db | awk '{ print "bank.db has " $5 }'

step "A writer moves money from account to account, one transaction after the other."
(
	while [ ! -e stop ]; do
		echo "BEGIN IMMEDIATE;
			UPDATE account SET balance = balance - 1 WHERE id = 1 + abs(random() % 100000);
			UPDATE account SET balance = balance + 1 WHERE id = 1 + abs(random() % 100000);
			INSERT INTO transfer (amount, note) VALUES (1, hex(randomblob(20)));
			COMMIT;"
	done | sqlite3 -batch -bail -cmd '.timeout 10000' bank.db >>writer.log
) &
writer=$!
while [ "$(ask bank.db 'SELECT count(*) FROM transfer')" -lt 100 ]; do sleep 0.05; done

step "Hot backup: the writer is not stopped, nor made to wait."
before=$(ask bank.db 'SELECT count(*) FROM transfer')
run lifeboat backup bank.db "$bucket"
after=$(ask bank.db 'SELECT count(*) FROM transfer')
echo "the writer made $((after - before)) transfers in the meantime"

step "A second one, an hour later in real life: only what has changed."
sleep 1
second=$(ask bank.db 'SELECT count(*) FROM transfer')
run lifeboat backup bank.db "$bucket"

step "The writer is done. The last state, and once more: what has not changed is not uploaded twice."
touch stop
wait "$writer" || fail "the writer met an error"
writer=
last=$(ask bank.db 'SELECT count(*) FROM transfer')
run lifeboat backup bank.db "$bucket"
run lifeboat backup bank.db "$bucket"

step "What is in the bucket:"
run lifeboat list "$bucket"

step "The worst day of the year: bank.db is gone. Restore the newest, and the first one too."
rm bank.db bank.db-wal bank.db-shm 2>/dev/null || true
run lifeboat restore "$bucket" bank.db
object=$(ls bucket/*.db.zst | head -n 1)
first=$(basename "$object" | cut -d . -f 1)
run lifeboat restore "$bucket" first.db --snapshot "$first"

step "Is it right?"
[ "$(ask bank.db 'SELECT count(*) FROM transfer')" = "$last" ] || fail "the newest is not the last state"
echo "newest: has all $last transfers, to the last one"
got=$(ask first.db 'SELECT count(*) FROM transfer')
[ "$got" -ge "$before" ] && [ "$got" -le "$after" ] || fail "$got transfers, not from $before to $after"
echo "first:  has $got transfers; there were $before before its backup, $after after it, $second before the second"
for db in bank.db first.db; do
	sum=$(ask "$db" 'SELECT sum(balance) FROM account')
	check=$(ask "$db" 'PRAGMA integrity_check')
	gap=$(ask "$db" 'SELECT max(id) - count(*) FROM transfer')
	[ "$sum $check $gap" = "10000000 ok 0" ] || fail "$db: sum $sum, integrity $check, gap $gap"
	echo "$db: the sum is $sum, integrity_check says $check, no transfer is missing in between"
done

step "And without lifeboat, on any machine that has zstd (a differential takes sqlite3, too):"
if command -v zstd >/dev/null; then
	echo "\$ zstd -d <$object >plain.db"
	zstd -q -d <"$object" >plain.db
	cmp plain.db first.db || fail "zstd gives another file"
	echo "plain.db and first.db are the same, byte for byte"
else
	echo "zstd -d <$object >plain.db   (zstd is not installed here)"
fi
step "Done. Everything that the demo made is removed again."
