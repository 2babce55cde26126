#!/bin/bash
# What the running programs have given up: privileges, capabilities, system
# calls.  What the sandbox denies, deed by deed: tests/unit/jail_test.
. "$(dirname "$0")/lib.sh"
THREADS=0

# given_up PID: every thread has
given_up() {
	local t s
	for t in /proc/"$1"/task/*; do
		s=$(cat "$t/status")
		grep -q '^NoNewPrivs:[[:space:]]1$' <<<"$s" || fail "$t may gain privileges"
		[ "$(grep -cE '^Cap(Inh|Prm|Eff|Amb):[[:space:]]0{16}$' <<<"$s")" = 4 ] || fail "$t has capabilities"
		[ "$(id -u)" != 0 ] || grep -qE '^CapBnd:[[:space:]]0{16}$' <<<"$s" || fail "$t has a bounding set"
		[ -n "$SANITIZED" ] || grep -q '^Seccomp:[[:space:]]2$' <<<"$s" || fail "$t has no filter"
		THREADS=$((THREADS + 1))
	done
}

say "consentd"
server_init
server_start
SANITIZED=$(grep 'NOT filtered' "$W/consentd.log" || :)
grep 'sandbox: Landlock' "$W/consentd.log"
given_up "$SERVER"

say "consentfs: server and keeper"
person a
M=$W/mnt
if [ -c /dev/fuse ] && command -v fusermount3 >"$W/out"; then
	mount_home a "$M"
	mapfile -t processes < <(pgrep -f "consentfs .*$M\$")
	sandboxed=0
	for p in "${processes[@]}"; do
		# the unmounter has only a pipe, and must become fusermount3
		[ "$(cat "/proc/$p/comm")" = consentfs-umnt ] && continue
		given_up "$p"
		sandboxed=$((sandboxed + 1))
	done
	[ $sandboxed = 2 ]
	unmount "$M"
	if grep 'killed by signal' "$W/consentfs-a.log"; then fail "the server could not end"; fi
fi

say "consent: what code in it could do, from its first connection on"
cc -O1 -shared -fPIC -o "$W/deeds.so" "$TOP/tests/system/deeds.c"
abi=$(sed -n 's/.*sandbox: Landlock \([0-9]*\),.*/\1/p' "$W/consentd.log" | head -1)
patient ann
clinic a1 "Clinic A"
consent --home "$W/a1" alias "$W/ann.card" Ann 2>/dev/null
mkdir "$W/place"
echo text >"$W/named"
echo secret >"$W/secret"
TRIED=0 DENIED=0
deeds() { # HOME VERB...: with the deeds that are to be done in $DONE
	READ=$W/secret WRITE=$W/place/stray OWN=$W/$1/own NAMED=$W/named PORT=9 \
		LD_PRELOAD=$W/deeds.so "$BUILD_DIR/consent" --home "$W/$1" "${@:2}" \
		>"$W/got.json" 2>"$W/deeds" || fail "$2: $(cat "$W/deeds")"
	rm -f "$W/$1/own"
	local deed how
	while read -r _ deed how; do
		case " $DONE " in
		*" $deed "*) [ "$how" = done ] || fail "$2: not allowed: $deed $how" ;;
		*)
			TRIED=$((TRIED + 1))
			[ "$deed" != PORT ] || [ "$abi" -ge 4 ] || continue
			case $how in
			EACCES | EPERM | failed) DENIED=$((DENIED + 1)) ;;
			*) fail "$2: not denied: $deed $how" ;;
			esac
			;;
		esac
	done < <(grep '^deed ' "$W/deeds")
	grep -q '^deed OWN' "$W/deeds" || fail "$2 did not connect"
}
if [ "$abi" -ge 1 ]; then
	DONE=OWN deeds ann status --json
	DONE='OWN NAMED' deeds a1 publish --patient Ann --title T --json "$W/named"
	set=$(jq -r .set "$W/got.json")
	DONE=OWN deeds ann get --to "$W/place/got" --json "$set"
	cmp "$W/place/got/named" "$W/named"
	DONE=OWN deeds a1 sets --patient Ann
	if (DONE=OWN deeds ann status --no-sandbox) 2>"$W/open"; then fail "--no-sandbox denies"; fi
	killed() { EXEC=1 LD_PRELOAD=$W/deeds.so "$BUILD_DIR/consent" --home "$W/ann" status; }
	must_fail 159 killed
	figure "deeds of code in consent that were denied: $DENIED of $TRIED"
fi
server_stop

say "without the sandbox, and it says so"
"$BUILD_DIR/consentd" serve --dir "$W/rms" --no-sandbox 2>>"$W/open.log" &
SERVER=$!
until_ok 20 curl -sf "$RMS/healthz"
grep -q 'warning: sandbox: off' "$W/open.log"
if (given_up "$SERVER") 2>"$W/out"; then fail "--no-sandbox changes nothing"; fi
server_stop
figure "threads that could regain a privilege: 0 of $THREADS"
