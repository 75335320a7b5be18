import type { Command } from "commander";
import { listModels } from "../../index.js";
import { formatCount } from "../format.js";
import { processOutput } from "../output.js";
import { renderTable } from "../table.js";
import { addJson } from "../training-flags.js";

/** `reviewkd models`: the registry of networks. */
export function addModelsCommand(program: Command): void {
  const command = program.command("models").description("list the networks that can be trained");
  addJson(command).action((flags: { json?: true }) => {
    const output = processOutput(flags.json === true);
    const models = listModels();
    output.event({ type: "models", models });
    const sources = [...new Set(models.map(({ source }) => source))];
    const rows = models.map(({ name, parameters, numClasses, imageSize, features, source }) => [
      name,
      formatCount(parameters),
      `${imageSize.join("×")}, ${numClasses} classes`,
      features.map((stage) => `${stage.channels}@${stage.height}×${stage.width}`).join(" "),
      `[${sources.indexOf(source) + 1}]`,
    ]);
    output.line(renderTable(["name", "parameters", "at", "stages (channels@size)", "source"], rows, ["parameters"]));
    sources.forEach((source, index) => { output.line(`[${index + 1}] ${source}`); });
  });
}
