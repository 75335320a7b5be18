import { Command } from "commander";
import { packageVersion } from "../index.js";
import { addConvertCommand } from "./commands/convert.js";
import { addDataCommand } from "./commands/data.js";
import { addDemoCommand } from "./commands/demo.js";
import { addDetectCommand } from "./commands/detect.js";
import { addDistillCommand } from "./commands/distill.js";
import { addDoctorCommand } from "./commands/doctor.js";
import { addEvalCommand } from "./commands/eval.js";
import { addExportCommand } from "./commands/export.js";
import { addInspectCommand } from "./commands/inspect.js";
import { addLaunchCommand } from "./commands/launch.js";
import { addLibtorchCommand } from "./commands/libtorch.js";
import { addModelsCommand } from "./commands/models.js";
import { addPredictCommand } from "./commands/predict.js";
import { addPresetsCommand } from "./commands/presets.js";
import { addStudyCommand } from "./commands/study.js";
import { addTrainCommand } from "./commands/train.js";
import { addWorkCommand } from "./commands/work.js";

/** Builds the command line interface. Commander throws instead of printing errors or ending the process. */
export function buildProgram(): Command {
  const program = new Command("reviewkd")
    .description("Train and distill image networks with Knowledge Review.")
    .version(packageVersion(), "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    // Commander knows no other names than ours.
    .showSuggestionAfterError(false)
    .configureOutput({ outputError() {} })
    .exitOverride();
  addDemoCommand(program);
  addTrainCommand(program);
  addDistillCommand(program);
  addStudyCommand(program);
  addWorkCommand(program);
  addLaunchCommand(program);
  addEvalCommand(program);
  addPredictCommand(program);
  addDetectCommand(program);
  addInspectCommand(program);
  addConvertCommand(program);
  addExportCommand(program);
  addModelsCommand(program);
  addPresetsCommand(program);
  addDoctorCommand(program);
  addLibtorchCommand(program);
  addDataCommand(program);
  return program;
}
