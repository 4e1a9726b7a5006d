// What the official tools say of contracts: `node check.mjs FOLDER...` prints a line per problem, and exits 1 with any.
// AsyncAPI's own parser reads the document; ajv, strict, compiles every schema and holds each example against its own.
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { DiagnosticSeverity, Parser } from "@asyncapi/parser";
import Ajv from "ajv/dist/2020.js";
import addFormats from "ajv-formats";

function compile(schema) {
  const ajv = addFormats(new Ajv({ strict: true, allErrors: true }));
  return ajv.addVocabulary(["x-parser-schema-id"]).compile(schema); // the parser marks what it has read
}

function* failure(place, attempt) {
  try {
    yield* attempt().map((text) => `${place}: ${text}`);
  } catch (error) {
    yield `${place}: ${error.message}`;
  }
}

async function* asyncapiProblems(folder) {
  const source = join(folder, "asyncapi.yaml");
  const { document, diagnostics } = await new Parser().parse(await readFile(source, "utf8"), { source });
  for (const { severity, path, message } of diagnostics) {
    if (severity <= DiagnosticSeverity.Warning) yield `asyncapi.yaml: ${path.join(".")}: ${message}`;
  }
  for (const message of document?.components().messages() ?? []) {
    yield* failure(`asyncapi.yaml: ${message.id()}`, () => (compile(message.payload().json()), []));
  }
}

async function* exampleProblems(folder) {
  const read = async (kind, name) => JSON.parse(await readFile(join(folder, kind, name), "utf8"));
  for (const name of await readdir(join(folder, "schemas"))) {
    const [schema, example] = [await read("schemas", name), await read("examples", name)];
    yield* failure(`examples/${name}`, () => {
      const validate = compile(schema);
      return validate(example) ? [] : validate.errors.map((error) => `${error.instancePath} ${error.message}`);
    });
  }
}

for (const folder of process.argv.slice(2)) {
  for (const problems of [asyncapiProblems(folder), exampleProblems(folder)]) {
    for await (const problem of problems) {
      console.log(`${folder}/${problem}`);
      process.exitCode = 1;
    }
  }
}
