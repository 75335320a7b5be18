// The navigation: the pages of docs that exist, by task, and the API reference.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { DefaultTheme } from "vitepress";
import type { ApiTopic } from "./api/index-pages.js";

const docs = join(import.meta.dirname, "../docs");

interface Section {
  readonly title: string;
  /** Paths below docs, without their ending. Those that don't exist are left out. */
  readonly pages: readonly string[];
}

export const SECTIONS: readonly Section[] = [
  { title: "Guides", pages: ["index", "guides/photographs", "guides/own-teacher", "guides/detector", "guides/ship",
    "export", "guides/resume", "guides/application", "guides/processes", "guides/troubleshooting"] },
  { title: "Training", pages: ["typescript", "command-line", "networks-and-data", "methods", "presets-and-studies",
    "studies-at-scale", "runs", "checkpoints", "prediction"] },
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
  return [...sections, others].map(({ title, pages: own }) => ({ title, pages: own.filter((page) => pages.includes(page)) }))
    .filter(({ pages: own }) => own.length > 0);
}

/** The first heading of a page. */
export function titleOf(text: string): string {
  return (/^# (.+)$/m.exec(text)?.[1] ?? "").replaceAll("`", "");
}

export function navigation(): DefaultTheme.NavItem[] {
  const [guides] = SECTIONS;
  const first = (guides?.pages ?? []).slice(1).find((page) => existsSync(join(docs, `${page}.md`))) ?? "index";
  return [
    { text: "Start", link: "/" },
    { text: "Guides", link: `/${first}`, activeMatch: "^/guides/" },
    { text: "Command line", link: "/command-line" },
    { text: "API", link: "/api/", activeMatch: "^/api/" },
  ];
}

export function sidebars(): DefaultTheme.SidebarMulti {
  const pages = sectionsOf(pagesIn(docs)).map(({ title, pages: own }) => ({ text: title, items: own.map(itemOf) }));
  const topics = apiTopics();
  const api = (open: string): DefaultTheme.SidebarItem[] => [
    { text: "API reference", link: "/api/" },
    ...topics.map(({ name, title, members }) => ({ text: title, link: `/api/${name}/`,
      ...(name === open && { items: members.map((member) => ({ text: member.name, link: `/api/${name}/${member.page}` })) }) })),
  ];
  // A sidebar for each topic: one with all members would be most of each page.
  return Object.fromEntries<DefaultTheme.SidebarItem[]>([
    ...topics.map(({ name }) => [`/api/${name}/`, api(name)] as const),
    ["/api/", api("")],
    ["/", [...pages, { text: "API", items: [{ text: "API reference", link: "/api/" }] }]],
  ]);
}

function itemOf(page: string): DefaultTheme.SidebarItem {
  const text = page === "index" ? "Start" : titleOf(readFileSync(join(docs, `${page}.md`), "utf8"));
  return { text, link: page === "index" ? "/" : `/${page}` };
}

function apiTopics(): readonly ApiTopic[] {
  const path = join(import.meta.dirname, ".generated/api.json");
  return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) as ApiTopic[] : [];
}
