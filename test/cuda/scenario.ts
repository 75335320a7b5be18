/** The child process of the tests in this folder:  node --import tsx test/cuda/scenario.ts NAME SETTINGS */
import "./control.js"; // must precede the package, which loads libtorch
import { SCENARIOS } from "./scenarios.js";

const [name = "", settings = "{}"] = process.argv.slice(2);
const scenario = (SCENARIOS as Readonly<Record<string, (settings: never) => Promise<unknown>>>)[name];
if (scenario === undefined) throw new Error(`invalid scenario: expected one of ${Object.keys(SCENARIOS).join(", ")}, received ${name}.`);
const result = await scenario(JSON.parse(settings) as never);
process.stdout.write(`${JSON.stringify(result)}\n`);
