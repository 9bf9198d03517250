#!/usr/bin/env bash
# onnxruntime 1.31.1 on Linux keeps a device id and a queue of events in the home folder from its import on, before any session is
# opened and although nothing was asked of it. `disable_telemetry_events()` leaves both; ORT_DISABLE_TELEMETRY=1 prevents them if
# it is set before the import, also by the same process. Looks at files under an empty home folder only, and needs no network
# once the package is installed. Exits with 1 if anything of this has changed.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check onnxruntime==1.31.1 onnx==1.23.2
"$work/venv/bin/python" -c 'import importlib.metadata as m, platform; print("onnxruntime", m.version("onnxruntime"), "on", platform.system(), platform.machine())'

session='
from onnx import TensorProto, helper
value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy"]
graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "same", value[:1], value[1:])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
assert onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": [1.5]})[0][0] == 1.5
'
changed=0
look() {  # what is done, expected files (some or none), variable of the environment or "", code
  local home="$work/home"
  rm -rf "$home" && mkdir "$home"
  env -u ORT_DISABLE_TELEMETRY ${3:+"$3"} HOME="$home" "$work/venv/bin/python" -c "$4"
  local found seen=none
  found=$(cd "$home" && find . -type f | sort | tr '\n' ' ')
  [ -z "$found" ] || seen=some
  printf '%-48s expected %-5s seen %-5s %s\n' "$1" "$2" "$seen" "$found"
  [ "$seen" = "$2" ] || changed=1
}
look "import alone" some "" 'import onnxruntime'
look "a session" some "" "import onnxruntime$session"
look "disable_telemetry_events(), then a session" some "" "import onnxruntime; onnxruntime.disable_telemetry_events()$session"
look "the variable, set after the import" some "" "import os, onnxruntime; os.environ['ORT_DISABLE_TELEMETRY'] = '1'$session"
look "the variable, set before the import" none "" "import os; os.environ['ORT_DISABLE_TELEMETRY'] = '1'; import onnxruntime$session"
look "the variable, in the environment" none ORT_DISABLE_TELEMETRY=1 "import onnxruntime$session"
[ "$changed" = 0 ] || echo "what was seen is not what was expected: onnxruntime behaves otherwise than when this was written"
exit "$changed"
