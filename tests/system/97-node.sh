#!/bin/bash
# Nodes that misbehave (nodes.tsv, evilnode.py), all at once: each has a mount
# of its own.  While they do, the patient revokes, and nothing else tells the
# mounts.  No read beyond the bounds of staleness, a line that the operator
# understands, all right again by itself, each open once on the ledger.
#   MODE=NAME: only rows that begin so; SEED: of what is random, and of which
#   third of the rows is run without LONG=1.
. "$(dirname "$0")/lib.sh"
need_fuse
HERE=$TOP/tests/system
SEED=${SEED:-97}
OPEN_S=5 READ_S=10 SLACK_S=5
EVIL='' OTHER_PID=''
tidy() { kill $EVIL $OTHER_PID; }

mapfile -t ROWS < <(grep -v '^#' "$HERE/nodes.tsv" | grep "^${MODE:-}")
if [ -z "${LONG:-}${MODE:-}" ]; then # a third of them, which the seed chooses
	mapfile -t ROWS < <(printf '%s\n' "${ROWS[@]}" | awk -v s="$SEED" 'NR % 3 == s % 3')
fi
names() { printf '%s\n' "${ROWS[@]}" | cut -f1; }
row() { printf '%s\n' "${ROWS[@]}" | awk -F'\t' -v n="$1" -v c="$2" '$1 == n {print $c}'; }

certificate() { # NAME
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
		-keyout "$W/evil/$1.key" -out "$W/evil/$1.pem" -subj /CN=127.0.0.1 \
		-addext subjectAltName=IP:127.0.0.1 2>/dev/null
}

evil_start() { # all ports are chosen before one is used
	mkdir "$W/evil"
	certificate right
	certificate wrong
	EVIL_RMS=$(free_port)
	RMS_URL=http://127.0.0.1:$EVIL_RMS server_init
	sed -i 's/^heartbeat.*//; s/^\[node\]$/[node]\nheartbeat = 1s/' "$W/rms/consentd.conf"
	grep -q '^heartbeat = 1s' "$W/rms/consentd.conf"
	"$BUILD_DIR/consentd" init --dir "$W/other" --node-listen "127.0.0.1:$(free_port)" \
		--rms-listen "127.0.0.1:0" >/dev/null
	"$BUILD_DIR/consentd" serve --dir "$W/other" 2>"$W/other.log" &
	OTHER_PID=$!
	server_start
	until_ok 10 test -s "$W/other/ports"
	python3 "$HERE/evilnode.py" serve "$W/evil" "$SEED" "$NODE_PORT" \
		"$(sed -n 's/^node //p' "$W/other/ports")" "$RMS_PORT" \
		"$EVIL_RMS:feed" $(names | sed 's/^/0:/') 2>"$W/evil.err" &
	EVIL=$!
	until_ok 10 test -e "$W/evil/ready"
}

make_home() { # MODE
	local port url ca=''
	port=$(sed -n "s/^$1 //p" "$W/evil/ready")
	url=http://127.0.0.1:$port
	if [ "$1" = certificate ]; then
		url=https://127.0.0.1:$port
		ca="\nca = $W/evil/right.pem"
	fi
	host "h-$1" a1
	sed -i "s|^node = .*|node = $url\npoll = 1s$ca|" "$W/h-$1/consent.conf"
	printf '[mount]\nstale_open = %ss\nstale_read = %ss\n' $OPEN_S $READ_S >>"$W/h-$1/consent.conf"
	practitioner "h-$1" root "dr-$1" "Dr. $1"
	consent --home "$W/h-$1" alias "$W/ann.card" Ann 2>/dev/null
}

opens_of() { # MODE: accesses that the ledger shows
	jq "[.[] | select(.kind == \"access\" and .practitionerId == \"dr-$1\")] | length" "$W/history"
}
all_there() { # each open that was permitted is on the ledger
	local n
	sleep 2 # a history of all these opens takes a moment
	consent --home "$W/ann" history --json >"$W/history" 2>/dev/null || return 1
	for n in $(names); do
		[ "$(opens_of "$n")" -ge "$(jq ".\"$n\".opens" "$W/watched")" ] || return 1
	done
}

say "a mount for each of $(names | wc -l) nodes (SEED=$SEED)"
evil_start
patient ann
clinic a1 "Clinic A"
for n in $(names); do make_home "$n"; done
accredit "Clinic A" a1 $(names | sed 's/^/h-/')
consent --home "$W/a1" alias "$W/ann.card" Ann 2>/dev/null
echo "a document" >"$W/doc"
clinic b1 "Clinic B" # publishes, so that what Clinic A reads needs a grant
consent --home "$W/b1" alias "$W/ann.card" Ann 2>/dev/null
publish b1 "Records" "$W/doc" >/dev/null
consent --home "$W/ann" grant --to "Clinic A" --until 30d >/dev/null
files=()
for n in $(names); do mount_home "h-$n" "$W/m-$n"; done
for n in $(names); do
	until_ok 40 appears "$W/m-$n" Records
	files+=("$n=$(find_dir "$W/m-$n" Records)/doc")
done
for f in "${files[@]}"; do until_ok 20 cmp "$W/doc" "${f#*=}"; done

say "they misbehave, the patient revokes"
python3 "$HERE/evilnode.py" watch "$W/evil" "${files[@]}" >"$W/watched" &
watcher=$!
until_ok 20 test -e "$W/evil/watching"
sleep 1
touch "$W/evil/on"
sleep 1
sed -i "s|:$EVIL_RMS|:$RMS_PORT|" "$W/ann/consent.conf" # she is not cut off
consent --home "$W/ann" revoke --to "Clinic A" >/dev/null
revoked=$(date +%s.%N)
sleep $((READ_S + SLACK_S + 1))
touch "$W/evil/stop"
wait $watcher

bad=0 late=0
for n in $(names); do
	bound=$READ_S open_bound=$OPEN_S
	[ "$(row "$n" 2)" = bound ] || bound=0 open_bound=0
	jq -r --arg t "$revoked" ".\"$n\" | [.opens, .last_open - (\$t | tonumber), .last_held - (\$t | tonumber)] |
		map(. * 10 | floor / 10) | map(tostring) | join(\" \")" "$W/watched" >"$W/one"
	read -r opens open held <"$W/one"
	if ! awk -v o="$open" -v h="$held" -v ob=$open_bound -v hb=$bound -v s=$SLACK_S \
		'BEGIN { exit !(o <= ob + s && h <= hb + s) }'; then
		echo "$n: last open $open s, last read $held s after the revocation"
		bad=$((bad + 1))
	fi
	line=$(row "$n" 4)
	if [ "$line" != - ] && ! grep -qF -- "$line" "$W/consentfs-h-$n.log"; then
		echo "$n: the log lacks '$line': $(tail -3 "$W/consentfs-h-$n.log")"
		bad=$((bad + 1))
	fi
	[ "$opens" -ge 2 ] || { echo "$n: opened $opens times only"; bad=$((bad + 1)); }
	rss=$(pgrep -f "consentfs .*/m-$n\$" | sed 's|.*|/proc/&/status|' | xargs awk '/^VmHWM/ {print $2}' | sort -n | tail -1)
	[ "$rss" -lt 700000 ] || { echo "$n: took $rss KiB"; bad=$((bad + 1)); }
	[ "$rss" -le "${most:-0}" ] || most=$rss
	figure "$n: last open $open s, last read $held s after the revocation; opens $opens, peak $rss KiB"
done
[ $bad = 0 ] || fail "$bad checks of nodes.tsv"
figure "nodes that misbehave: reads beyond the bound in 0 of $(names | wc -l) rows; most memory of a server $most KiB"

say "they behave again: nobody restarts anything"
rm "$W/evil/on"
consent --home "$W/ann" grant --to "Clinic A" --until 30d >/dev/null
for f in "${files[@]}"; do
	n=${f%%=*}
	until_ok 60 appears "$W/m-$n" Records
	until_ok 60 cmp "$W/doc" "$(find_dir "$W/m-$n" Records)/doc"
done
until_ok 2 all_there
[ "$(jq '[.[].id] | length' "$W/history")" = "$(jq '[.[].id] | unique | length' "$W/history")" ] ||
	fail "an inquiry is on the ledger twice"
figure "opens that are not on the ledger 0 of $(jq '[.[].opens] | add' "$W/watched"), twice 0 of $(jq length "$W/history")"
