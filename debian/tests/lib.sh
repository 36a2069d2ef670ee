# Copyright (c) 2026 The ovs-mbox authors.
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at:
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

# Read by the tests.

DEBIAN_FRONTEND=noninteractive
export DEBIAN_FRONTEND

begin () {
    printf '  %s\n' "* $*" >&2
}

die () {
    printf '%s\n' "FAILED: $*" >&2
    exit 1
}

# wait_until WHAT COMMAND...: waits until the command succeeds.  The limit only
# ends a wait that is in vain.
wait_until () {
    what=$1
    shift
    for i in $(seq 600); do
        if "$@" > /dev/null 2>&1; then
            return
        fi
        sleep 0.1
    done
    die "waited in vain until $what"
}

runs () {
    test -s /run/openvswitch/"$1".pid \
        && kill -0 "$(cat /run/openvswitch/"$1".pid)" 2>/dev/null
}

must_run () {
    runs "$1" || die "$1 does not run"
}

is_stopped () {
    ! runs "$1"
}

must_not_run () {
    is_stopped "$1" || die "$1 runs"
}

# The flows of a bridge, without counters.
flows_of () {
    ovs-ofctl --no-stats --no-names dump-flows "$1" | grep actions=
}
