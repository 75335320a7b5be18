import { listModels } from "../api/model.js";
import { findByName } from "../config/nearest-name.js";
import type { ModelInfo } from "../config/schemas/model.js";
import type { StudyResult } from "../config/schemas/study.js";

/** Names of the matched stages of two networks, shallow to deep, the same number in each. */
export type MatchedStages = StudyResult["stages"];

/** The stages that distillation matches between two networks of the registry. @throws `UNKNOWN_NAME` */
export function matchedStages(student: string, teacher: string): MatchedStages {
  const models = listModels();
  const ofStudent = findByName(models, student, "student").features;
  const ofTeacher = findByName(models, teacher, "teacher").features;
  const count = Math.min(ofStudent.length, ofTeacher.length);
  const names = (features: ModelInfo["features"]): string[] => features.slice(-count).map(({ name }) => name);
  return { student: names(ofStudent), teacher: names(ofTeacher) };
}
