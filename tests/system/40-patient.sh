#!/bin/bash
# The patient reads their own records (list, get, mount), all logged; a
# representative decides in the patient's place until the delegation ends.
. "$(dirname "$0")/lib.sh"
need_fuse
"$TOP/scripts/make-documents" "$W/docs" 1
world
visit=$(publish a1 "Discharge report" "$W/docs/visit")
other=$(publish b1 "Second opinion" "$W/docs/study")

say "sets names every custodian, get fetches, the mount shows all"
consent --home "$W/ann" sets | grep -q 'Discharge report (Clinic A)'
consent --home "$W/ann" sets | grep -q 'Second opinion (Clinic B)'
consent --home "$W/ann" get --to "$W/fetched" "$visit" >/dev/null
diff -r "$W/docs/visit" "$(find "$W/fetched" -type d -name visit)"
must_fail 7 consent --home "$W/ann" get --to "$W/fetched" "$visit" # it is there
mkdir "$W/planted"
ln -s "$W/planted" "$W/.consent-get-$visit" # by whoever may write here
must_fail 7 consent --home "$W/ann" get --to "$W/again/" "$visit"
rm "$W/.consent-get-$visit"
mkdir -m 777 "$W/.consent-get-$visit"
must_fail 7 consent --home "$W/ann" get --to "$W/again/" "$visit"
grep -q 'is not a folder of an earlier run; remove it' "$W/out"
chmod 700 "$W/.consent-get-$visit" # what a run that was killed may leave
mkdir "$W/.consent-get-$visit/visit"
head -c 3000000 /dev/zero >"$W/.consent-get-$visit/visit/report.pdf"
consent --home "$W/ann" get --to "$W/again/" "$visit" >/dev/null
diff -r "$W/docs/visit" "$W/again/visit"
[ -z "$(ls "$W/planted")" ] && [ ! -e "$W/.consent-get-$visit" ]
M=$W/mnt
mount_home ann "$M"
until_ok 10 appears "$M" "Second opinion"
diff -r "$W/docs/visit" "$(find_dir "$M" "Discharge report")/visit"
pdftotext "$(find_dir "$M" "Discharge report")/visit/report.pdf" - | grep -q Discharge
own() { history_has ann '.institution == "yourself" and .kind == "access" and .purpose == "PATRQT"'; }
until_ok 10 own
unmount "$M"

say "a representative grants in the patient's place"
person rep
key=$(consent --home "$W/rep" id --json | jq -r .key)
consent --home "$W/rep" alias "$W/ann.card" Ann 2>/dev/null
must_fail 4 consent --home "$W/rep" grant --patient Ann --to "Clinic B" --set "$visit"
delegation=$(consent --home "$W/ann" delegate "$key" --relationship GUARD --power decide --power view --until 30d --json | jq -r .delegation)
mount_home b1 "$M"
consent --home "$W/rep" grant --patient Ann --to "Clinic B" --set "$visit" --until 1d >/dev/null
until_ok 10 appears "$M" "Discharge report"
D=$(find_dir "$M" "Discharge report")
until_ok 10 cmp "$D/visit/report.pdf" "$W/docs/visit/report.pdf"

say "after its end it cannot, and what rested on it is gone"
consent --home "$W/ann" end "$delegation" >/dev/null
refused() { ! cat "$D/visit/report.pdf" >/dev/null 2>&1; }
until_ok 10 refused
must_fail 4 consent --home "$W/rep" grant --patient Ann --to "Clinic B" --set "$visit"
until_ok 10 refused

say "a grant ends by itself, without a read"
consent --home "$W/ann" grant --to "Clinic B" --set "$visit" --until 4s >/dev/null
until_ok 3 cmp "$D/visit/report.pdf" "$W/docs/visit/report.pdf"
exec 8<"$D/visit/report.pdf"
until_ok 8 refused
if cat <&8 >/dev/null 2>&1; then fail "an open file outlives its grant"; fi
exec 8<&-
until_ok 5 gone "$M" "Discharge report" # what is over is not listed either
unmount "$M"
server_stop
