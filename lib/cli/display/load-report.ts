import { loadNotices, type LoadReport } from "../../index.js";
import type { Output } from "./output.js";

/** Says what was done to a file's names, and what of it or of the network was left out. */
export function showLoadReport(output: Output, path: string, report: LoadReport | null): void {
  for (const line of report === null ? [] : loadNotices(report)) output.notice(`note: ${path}: ${line}`);
}
