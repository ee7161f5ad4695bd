// Verifies the calls on standard input with the lines of docs/receivers.md, and prints for each the task or id, "" if it was refused.
import { text } from "node:stream/consumers";
import { verify as verifyJWT } from "./jwt.mjs";
import { verify as verifyWebhook } from "./webhooks.mjs";

const answers = [];
for (const call of JSON.parse(await text(process.stdin))) {
  const request = { method: call.method, url: call.uri, headers: call.headers };
  const body = Buffer.from(call.body, "base64");
  try {
    answers.push(call.webhook ? verifyWebhook(request, body) : (await verifyJWT(request, body)).sub);
  } catch (error) {
    console.error(call.name + ": " + error.message);
    answers.push("");
  }
}
console.log(JSON.stringify(answers));
