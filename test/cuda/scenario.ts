/** Runs one scenario in a child process of a test:  node --import tsx test/cuda/scenario.ts NAME SETTINGS */
import "./control.js"; // comes before the package, which loads libtorch
import { SCENARIOS } from "./scenarios.js";

const [name = "", settings = "{}"] = process.argv.slice(2);
const scenario = (SCENARIOS as Readonly<Record<string, (settings: never) => Promise<unknown>>>)[name];
if (scenario === undefined)
  throw new Error(
    `invalid scenario: expected one of ${Object.keys(SCENARIOS).join(", ")}, received ${name}. Name one of them.`,
  );
const result = await scenario(JSON.parse(settings) as never);
process.stdout.write(`${JSON.stringify(result)}\n`);
