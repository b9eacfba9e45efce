# Encodes the examples of schemas/events that have every field with fastavro and with Google's Protobuf for Python: encoders that share nothing with the
# Go code that reads them. Run where pip has fastavro, protobuf and grpcio-tools:  python encode.py ../../../schemas/events
import io, json, pathlib, subprocess, sys, tempfile
from decimal import Decimal

import fastavro
from google.protobuf import json_format

here, schemas = pathlib.Path(__file__).parent, pathlib.Path(sys.argv[1])
made = tempfile.mkdtemp()
(pathlib.Path(made) / "pos_v1.proto").write_text((schemas / "pos.v1.proto").read_text())
subprocess.check_call([sys.executable, "-m", "grpc_tools.protoc", "-I", made, "--python_out", made, "pos_v1.proto"])
sys.path.insert(0, made)
import pos_v1_pb2  # noqa: E402


def fields(value, protobuf):
    if isinstance(value, list):
        return [fields(v, protobuf) for v in value]
    if not isinstance(value, dict):
        return value
    out = {}
    for k, v in value.items():
        if k in ("quantity", "picked"):
            out[k + "_thousandths"] = int(Decimal(str(v)) * 1000)
        elif k == "consent" and protobuf:
            out[k] = {"purposes": v}
        else:
            out[k] = fields(v, protobuf)
    return out


for example in sorted((schemas / "examples").glob("*-every-field.json")):
    event = json.loads(example.read_text())
    kind = event["type"].split(".")[1]
    avro = io.BytesIO()
    schema = fastavro.parse_schema(json.loads((schemas / f"{event['type']}.avsc").read_text()))
    fastavro.schemaless_writer(avro, schema, fields(event, False), strict_allow_default=True)
    (here / f"{kind}.avro").write_bytes(avro.getvalue())
    message = json_format.ParseDict(fields(event, True), getattr(pos_v1_pb2, kind.capitalize())())
    (here / f"{kind}.pb").write_bytes(message.SerializeToString())
