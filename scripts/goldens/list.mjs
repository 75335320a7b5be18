// Prints the goldens whose teacher and student the built package has:  node --import tsx scripts/goldens/list.mjs
// PARITY_DIRECTORY
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { BuildError, runMain } from "../support/errors.js";
import { root } from "../support/files.js";

/** Published names of networks that differ from this package's. */
const OUR_NAMES = new Map([
  ["shufflev1", "shufflenetv1"],
  ["shufflev2", "shufflenetv2"],
  ["mobilenet_v2_x0_5", "mobilenetv2-half"],
  ["ResNet50", "resnet50-cifar"],
  ["mobilenet_v1", "mobilenetv1"],
]);

await runMain(async () => {
  const [parity] = process.argv.slice(2);
  if (parity === undefined)
    throw new BuildError("USAGE",
      "invalid arguments: expected the directory with goldens/, received none. Pass its path.");

  const listed = execFileSync(process.execPath, [join(root, "dist/cli/main.js"), "models", "--json"], {
    encoding: "utf8",
  });
  /** @type {{ models: { name: string }[] }} */
  const { models } = JSON.parse(listed);
  const known = new Set(models.map(({ name }) => name));

  const folder = join(parity, "goldens");
  for (const file of readdirSync(folder).filter((name) => name.endsWith(".json")).sort()) {
    /** @type {{ teacher: string, student: string }} */
    const { teacher, student } = JSON.parse(readFileSync(join(folder, file), "utf8"));
    if ([teacher, student].every((name) => known.has(OUR_NAMES.get(name) ?? name)))
      process.stdout.write(`${join(folder, file)}\n`);
  }
});
