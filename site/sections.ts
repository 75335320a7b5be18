// The order of the pages of docs on the site.
import { readdirSync } from "node:fs";

export interface Section {
  readonly title: string;
  /** Paths below docs, without their ending. Those that don't exist are left out. */
  readonly pages: readonly string[];
}

export const SECTIONS: readonly Section[] = [
  { title: "Guides",
    pages: ["index", "guides/photographs", "guides/own-teacher", "guides/detector", "guides/ship", "export",
      "guides/resume", "guides/application", "guides/processes", "guides/troubleshooting"] },
  { title: "Training",
    pages: ["typescript", "command-line", "networks-and-data", "methods", "presets-and-studies", "studies-at-scale",
      "runs", "checkpoints", "prediction"] },
  { title: "Detection", pages: ["detection", "detection-data", "evaluation"] },
  { title: "Programs", pages: ["embedding", "electron", "bundlers"] },
  { title: "Machines", pages: ["platforms", "cuda", "distributed", "scaling"] },
  { title: "Reference", pages: ["errors", "environment"] },
  { title: "How it works", pages: ["architecture", "extending"] },
];

/** The pages of docs, without the API reference, as paths without their ending. */
export function pagesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" }).map((name) => name.replaceAll("\\", "/"))
    .filter((name) => name.endsWith(".md") && !name.startsWith("api/")).map((name) => name.slice(0, -".md".length))
    .sort();
}

/** The sections with the pages that exist; those that no section names are the last one. */
export function sectionsOf(pages: readonly string[], sections: readonly Section[] = SECTIONS): Section[] {
  const named = sections.flatMap((section) => section.pages);
  const others = { title: "More", pages: pages.filter((page) => !named.includes(page)) };
  return [...sections, others].map(({ title, pages: own }) => ({ title,
    pages: own.filter((page) => pages.includes(page)) })
  )
    .filter(({ pages: own }) => own.length > 0);
}

/** The first heading of a page. */
export function titleOf(text: string): string {
  return (/^# (.+)$/m.exec(text)?.[1] ?? "").replaceAll("`", "");
}
