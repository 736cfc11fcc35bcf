#!/bin/sh
# Tests a release before it is deployed, as a step of a pipeline:
#
#   loadtest.sh [GREEN_APP]        e.g.  loadtest.sh dist/server.js
#
# Starts the version that runs (blue), the release (green) and a gate in front of them, switches between the two, and
# releases green stage by stage, under load each time. Exits with 0 when no request failed or was lost and green was
# promoted, with 1 when not, and with another code of docs/cli.md otherwise. Reports for the pipeline and the output of
# the processes are in $REPORTS.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
reports=${REPORTS:-reports}
export GREEN_APP="${1:-app.js}"
mkdir -p "$reports"

code=0
for scenario in ${SCENARIOS:-switch canary}; do
  tealgate loadtest --spawn "$here/loadtest.yaml" --scenario "$scenario" --to green \
    --rate "${RATE:-100}" --duration "${DURATION:-10s}" \
    --expect "errors==0" --expect "non2xx==0" --expect "unsent==0" --expect "lost==0" \
    --junit "$reports/$scenario.xml" --markdown "$reports/$scenario.md" --logs "$reports/$scenario" || code=$?
  if [ "$code" -ne 0 ]; then break; fi
done
exit "$code"
