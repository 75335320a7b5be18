import { join, resolve } from "node:path";
import { optionsOf } from "../../config/options-of.js";
import { TeacherConfig, type RunConfig } from "../../config/schemas/run-config.js";
import { runFile } from "../../runs/run-directory.js";
import type { StudyConfig } from "../../config/schemas/study.js";
import type { Condition } from "./conditions.js";

/** One training of a study: an ordinary run in its own directory. */
export interface Cell {
  readonly id: string;
  /** {@link Condition.id}, or {@link TEACHER}. */
  readonly condition: string;
  readonly label: string;
  readonly seed: number;
  readonly runDirectory: string;
  readonly config: RunConfig;
}

export const TEACHER = "teacher";

/** Gives the teacher different random numbers from the students. */
const TEACHER_SEED_OFFSET = 1000;

/** All trainings of a study in execution order: the teacher if necessary, then seed by seed. */
export function cellsOf(config: StudyConfig, conditions: readonly Condition[], directory: string): readonly Cell[] {
  const cells = allCells(config, conditions, directory);
  const { workingDirectory } = config;
  if (workingDirectory === undefined) return cells;
  return cells.map((cell) => ({ ...cell, config: { ...cell.config, workingDirectory } }));
}

function allCells(config: StudyConfig, conditions: readonly Condition[], directory: string): readonly Cell[] {
  const students = config.seeds.flatMap((seed) =>
    conditions.map((condition) => studentCell(config, condition, seed, directory))
  );
  return config.teacher.weights === undefined ? [teacherCell(config, directory), ...students] : students;
}

function teacherCell({ teacher, data, training, teacherTraining, seeds }: StudyConfig, directory: string): Cell {
  const { learningRate = training.optimizer.learningRate } = teacherTraining;
  // Epochs of its own are not cut by the students' number of steps.
  const end = teacherTraining.epochs === undefined ? {} : { epochs: teacherTraining.epochs, maxSteps: null };
  const seed = Math.max(...seeds) + TEACHER_SEED_OFFSET;
  return {
    id: TEACHER,
    condition: TEACHER,
    label: `teacher ${teacher.name}`,
    seed,
    runDirectory: join(directory, TEACHER),
    config: { task: "train", model: teacher, data,
      training: { ...training, ...end, optimizer: { ...training.optimizer, learningRate }, seed } },
  };
}

function studentCell(config: StudyConfig, { id: condition, label, method, own = config }: Condition, seed: number,
  directory: string): Cell {
  const { data } = config;
  const { student } = own;
  const id = `${condition}-seed${seed}`;
  const training = { ...own.training, seed };
  const teacher = trainedTeacher(config, directory);
  return {
    id,
    condition,
    label,
    seed,
    runDirectory: join(directory, id),
    config: method === null
      ? { task: "train", model: student, data, training }
      : { task: "distill", teacher, student, method, data, training },
  };
}

/** The teacher of a distillation. The weights that the study trains contain those of the backbone. */
function trainedTeacher({ teacher }: StudyConfig, directory: string): TeacherConfig {
  if (teacher.weights !== undefined) return { ...teacher, weights: teacher.weights };
  // An absolute path, so that it does not depend on where the study is resumed.
  const weights = resolve(runFile(join(directory, TEACHER), "student"));
  return optionsOf(TeacherConfig.omit({ backboneWeights: true, key: true, strict: true }), { ...teacher, weights });
}
