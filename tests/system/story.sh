# Sourced by tests of the main job, on whatever ledger lib.sh's hooks set up:
# publish, ask, grant, list, read with real applications, see every open;
# refused opens too.
"$TOP/scripts/make-documents" "$W/docs"
world

say "clinic A publishes two document sets"
study=$(publish a1 "MRI left knee" --class imaging --type 18748-4 "$W/docs/study")
visit=$(publish a2 "Discharge report" --class discharge --type 18842-5 "$W/docs/visit")
[ "$(consent --home "$W/ann" sets --json | jq length)" = 2 ]
consent --home "$W/ann" sets | grep -q 'MRI left knee (Clinic A)'

say "before a grant nothing is listed"
M=$W/mnt
mount_home b1 "$M"
[ "$(ls "$M")" = Ann ]
[ -z "$(ls "$M/Ann")" ]
[ "$(ls -A "$M/Ann")" = .consent ]
grep -q 'ask for access' "$M/Ann/.consent/HOW-TO-ASK.txt"
guess="$M/Ann/2026-03-02 Discharge report (Clinic A)/report.pdf"
must_fail 1 cat "$guess"
grep -q 'No such file' "$W/out"

meanwhile published

say "B asks, the patient sees who and why, and grants one set"
consent --home "$W/b1" ask --patient Ann --purpose TREAT --reason "knee pain after a fall" >/dev/null
consent --home "$W/ann" inquiries | grep -q 'Clinic B: Dr. Berta Blum, TREAT, reason: knee pain after a fall'
meanwhile asked
inquiry=$(consent --home "$W/ann" inquiries --json | jq -r '.[0].id')
consent --home "$W/ann" grant --inquiry "$inquiry" --set "$visit" --purpose TREAT --until 30d >/dev/null
until_ok 10 appears "$M" "Discharge report"
gone "$M" "MRI left knee"
D=$(find_dir "$M" "Discharge report")/visit

meanwhile granted

say "real applications read the files"
(cd "$W/docs/visit" && find . -type f | sort) >"$W/names"
(cd "$D" && find . -type f | sort) | cmp - "$W/names"
while read -r f; do cmp "$W/docs/visit/$f" "$D/$f"; done <"$W/names"
pdftotext "$D/report.pdf" - | grep -q 'Discharge report'
xmllint --noout "$D/summary.xml"
xsltproc "$D/summary.xml" | grep -q 'pain in the left knee'
tiffinfo "$D/scan.tif" | grep -q 'Image Width: 200'
tr '\r' '\n' <"$D/result.hl7" | grep -q '^PID'
"$BUILD_DIR/reader" "$D/scan.tif" --random 500
consent --home "$W/ann" grant --to "Clinic B" --set "$study" --purpose TREAT --until 30d >/dev/null
until_ok 10 appears "$M" "MRI left knee"
S=$(find_dir "$M" "MRI left knee")/study
dcmdump "$S/DICOMDIR" | grep -q DirectoryRecordSequence
dcmdump "$S/IMAGES/IM000002" | grep -q 'Doe^Ann'
dcm2pnm "$S/IMAGES/IM000001" "$W/image.pnm"
dcm2pnm "$W/docs/study/IMAGES/IM000001" "$W/image2.pnm"
cmp "$W/image.pnm" "$W/image2.pnm"
diff -r "$W/docs/study" "$S"
must_fail 1 touch "$D/new"
grep -q 'Read-only' "$W/out"

say "every open is an inquiry that the patient sees"
count() { consent --home "$W/ann" history --json | jq '[.[] | select(.kind == "access")] | length'; }
opens=-1
while [ "$opens" != "$(count)" ]; do # what was opened before is on its way
	opens=$(count)
	sleep 0.5
done
cat "$D/report.pdf" >/dev/null
more() { [ "$(count)" = $((opens + 1)) ]; }
until_ok 10 more
consent --home "$W/ann" history --json >"$W/history.json"
jq -e --arg s "$visit" '[.[] | select(.kind == "access" and .set == $s)][-1] |
	.institution == "Clinic B" and .practitioner == "Dr. Berta Blum" and .practitionerId == "dr-b"
	and .purpose == "TREAT" and .document >= 1 and .outcome == "released"' "$W/history.json" >/dev/null
jq -e '[.[].id] | length == (unique | length)' "$W/history.json" >/dev/null
figure "inquiries of one story: $(jq length "$W/history.json"), ids twice: 0 of $(jq length "$W/history.json")"

say "a refused open is an inquiry too"
consent --home "$W/ann" revoke --to "Clinic B" --set "$visit" >/dev/null
refused() { ! cat "$D/report.pdf" >/dev/null 2>"$W/err" && grep -q 'Permission denied' "$W/err"; }
until_ok 10 refused
until_ok 10 history_has ann '.kind == "denied" and .outcome != "released"'

meanwhile revoked

say "exclude hides the set"
consent --home "$W/ann" exclude --to "Clinic B" --set "$visit" >/dev/null
until_ok 10 gone "$M" "Discharge report"
must_fail 1 cat "$D/report.pdf"
appears "$M" "MRI left knee"

say "no key without a durable record: receipts against the ledger"
unmount "$M"
consent --home "$W/ann" history --json >"$W/history.json"
consentd receipts --dir "$W/rms" >"$W/receipts.json"
python3 - "$W/history.json" "$W/receipts.json" "$NODE" <<'P'
import json, sys, urllib.request
history = {h["id"]: h for h in json.load(open(sys.argv[1]))}
receipts = [json.loads(l) for l in open(sys.argv[2])]
for r in receipts:
    h = history[r["inquiry"]]                       # the patient sees it ...
    assert h["final"] and h["transaction"] == r["transaction"] and h["entry"] == r["entry"], r
    assert h["set"] == r["set"] and h["kind"] in ("list", "access", "renew"), r
    assert h["time"] <= r["time"], r                # ... asked before it was released
    tx = json.load(urllib.request.urlopen(f"{sys.argv[3]}/transactions/info/{r['transaction']}"))
    assert tx["timestamp"] <= r["time"], r          # ... signed before, and on the ledger
listed = {(r["set"]) for r in receipts}
accessed = {h["set"] for h in history.values() if h["kind"] == "access" and h["institution"] == "Clinic B"}
assert accessed <= listed and len(receipts) >= 4
print(f"figure: releases: {len(receipts)}, without their inquiry on the ledger: 0 of {len(receipts)}")
P
