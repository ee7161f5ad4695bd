"""Verifies the calls on standard input with the lines of docs/receivers.md, and prints for each the task or id, "" if it was refused."""

import base64
import json
import sys

import jwtlines
import webhooklines

answers = []
for call in json.load(sys.stdin):
    body = base64.b64decode(call["body"])
    try:
        if call["webhook"]:
            answers.append(webhooklines.verify(call["headers"], body))
        else:
            answers.append(jwtlines.verify(call["headers"].get("dispatch-signature"), call["method"], call["uri"], body)["sub"])
    except Exception as error:
        print(call["name"] + ": " + repr(error), file=sys.stderr)
        answers.append("")
print(json.dumps(answers))
