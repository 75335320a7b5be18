import { expect } from "chai";
import type { CellResult } from "../../../../lib/config/schemas/study.js";
import { resultsCsv } from "../../../../lib/study/results/results-csv.js";
import { CLASSIFICATION, DETECTION, REGRESSION } from "../../../support/tasks.js";
import { resultOf } from "./study-results.js";

/** The fields of RFC 4180 text: quotes around a field, doubled within. */
function parseCsv(text: string): string[][] {
  const rows: string[][] = [];
  for (const match of text.matchAll(/(?:"((?:[^"]|"")*)"|([^,\n]*))(,|\n)/g)) {
    const [, quoted, plain = "", end] = match;
    if (rows.length === 0) rows.push([]);
    rows.at(-1)?.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    if (end === "\n") rows.push([]);
  }
  return rows.slice(0, -1);
}

describe("results.csv", () => {
  const cell: CellResult = {
    id: "stage-1-from-2-seed3",
    condition: "stage-1-from-2",
    seed: 3,
    status: "done",
    seconds: 1.5,
    runDirectory: "r",
    error: null,
    last: { top1: 61.25, top5: 90, loss: 1.5, samples: 400 },
    best: { epoch: 4, top1: 62 },
  };
  const failed: CellResult = { ...cell, id: "teacher", condition: "teacher", status: "failed", last: null, best: null,
    seconds: null, error: { code: "NON_FINITE_LOSS", message: "m" } };

  it("has a header and one line per cell, with epochs counted from 1", () => {
    const { conditions } = resultOf("stages", () => ({}));
    expect(parseCsv(resultsCsv({ conditions, taskInfo: CLASSIFICATION, cells: [cell, failed] }))).to.deep.equal([
      ["cell", "condition", "label", "student_stage", "teacher_stage", "seed", "status", "last_top1", "last_top5",
        "last_loss", "best_top1", "best_epoch", "seconds", "error"],
      ["stage-1-from-2-seed3", "stage-1-from-2", "student stage 1 from teacher stage 2", "1", "2", "3", "done", "61.25",
        "90", "1.5", "62", "5", "1.5", ""],
      ["teacher", "teacher", "teacher", "", "", "3", "failed", "", "", "", "", "", "", "NON_FINITE_LOSS"],
    ]);
  });

  it("has a column for each metric of the task", () => {
    const { conditions } = resultOf("seeds", () => ({}));
    const values: object = { last: { meanError: 0.5, withinOne: 90, samples: 400 },
      best: { epoch: 1, meanError: 0.25 } };
    const [head, row] = parseCsv(resultsCsv({ conditions, taskInfo: REGRESSION, cells: [{ ...cell, ...values }] }));
    expect(head?.slice(7, 11)).to.deep.equal(["last_meanError", "last_withinOne", "best_meanError", "best_epoch"]);
    expect(row?.slice(7, 11)).to.deep.equal(["0.5", "90", "0.25", "2"]);
  });

  it("leaves the student's metrics empty for a teacher that has none of them", () => {
    const { conditions } = resultOf("seeds", () => ({}));
    const values: object = { last: { ap: 0.5, ap50: 0.75, samples: 4 }, best: { epoch: 1, maskAp: 0.25 } };
    const cells = [{ ...cell, ...values, id: "teacher", condition: "teacher" }];
    const [head, row] = parseCsv(resultsCsv({ conditions, taskInfo: DETECTION, cells }));
    expect(head?.slice(7, 11)).to.deep.equal(["last_ap", "last_ap50", "best_ap", "best_epoch"]);
    expect(row?.slice(7, 11)).to.deep.equal(["0.5", "0.75", "", "2"]);
  });

  it("quotes what has commas or quotes in it", () => {
    const { conditions } = resultOf("seeds", ({ id }) => (id === "distilled" ? { label: 'review, "d"' } : {}));
    const text = resultsCsv({ conditions, taskInfo: CLASSIFICATION, cells: [{ ...cell, condition: "distilled" }] });
    expect(text).to.include(',"review, ""d""",');
    expect(parseCsv(text)[1]?.[2]).to.equal('review, "d"');
  });
});
