// node check.mjs asyncapi.yaml: what the AsyncAPI parser finds, as JSON. Exit 1 when it finds an error.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";

const { Parser } = createRequire(resolve(process.argv[3], "package.json"))("@asyncapi/parser");
const source = resolve(process.argv[2]);
const { document, diagnostics } = await new Parser().parse(readFileSync(source, "utf-8"), { source });
const found = diagnostics.map(({ severity, message, path }) => ({ severity, message, path: path.join("/") }));
const channels = document ? document.channels().all().map((one) => one.address()) : [];
const messages = document ? document.messages().all().map((one) => one.id()) : [];
console.log(JSON.stringify({ found, channels, messages }));
process.exit(document && !found.some((one) => one.severity === 0) ? 0 : 1);
