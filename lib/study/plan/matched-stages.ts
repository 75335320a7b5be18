import { areDetectors, networkInfo } from "../../api/network.js";
import type { StudyResult } from "../../config/schemas/study.js";

/** Names of the matched stages of two networks, shallow to deep, the same number in each. */
export type MatchedStages = StudyResult["stages"];

/**
 * The stages that distillation matches between two networks: the deepest that both have, one by one; of detectors the
 * levels of the same name in both pyramids.
 *
 * @throws `UNKNOWN_NAME`; `INVALID_ARGUMENT`: a classifier and a detector.
 */
export function matchedStages(student: string, teacher: string): MatchedStages {
  const ofStudent = networkInfo(student, "student").stages;
  const ofTeacher = networkInfo(teacher, "teacher").stages;
  if (areDetectors(teacher, student)) {
    const common = ofStudent.filter((level) => ofTeacher.includes(level));
    return { student: common, teacher: common };
  }
  const count = Math.min(ofStudent.length, ofTeacher.length);
  return { student: ofStudent.slice(-count), teacher: ofTeacher.slice(-count) };
}
