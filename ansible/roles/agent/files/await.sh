#!/bin/sh
# await.sh SECONDS: wait until the agent has joined; else print its last words and fail.
set -eu
left=$1
while [ "$left" -gt 0 ]; do
    state=$(systemctl show fedbed-agent --property=ActiveState,StatusText)
    case $state in
    # Once it is a node it says what it does as whom and where: ... 'pi-01' at https://...
    *"' at http"*) exit 0 ;;
    *ActiveState=failed*) break ;;
    esac
    sleep 1
    left=$((left - 1))
done
words=$(journalctl --unit=fedbed-agent --lines=1 --output=cat --quiet _SYSTEMD_UNIT=fedbed-agent.service)
echo "${words:-nothing}"
exit 1
