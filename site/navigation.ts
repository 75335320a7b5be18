// The navigation: the pages of docs that exist, by task, and the API reference.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { DefaultTheme } from "vitepress";
import type { ApiTopic } from "./api/index-pages.js";
import { pagesIn, SECTIONS, sectionsOf, titleOf } from "./sections.js";

const docs = join(import.meta.dirname, "../docs");

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
    ...topics.map(({ name, title, members }) => ({ text: title, link: `/api/${name}/`, ...(name === open &&
      { items: members.map((member) => ({ text: member.name, link: `/api/${name}/${member.page}` })) }) })
    ),
  ];
  // A sidebar for each topic: one with all members would be most of each page.
  return Object.fromEntries<DefaultTheme.SidebarItem[]>([
    ...topics.map(({ name }) => [`/api/${name}/`, api(name)] as const),
    ["/api/", api("")],
    ["/", [...pages, { text: "API", items: [{ text: "API reference", link: "/api/" }] }]],
  ]);
}

/** The title of a page by its path below docs, if there is one. */
export function titleOfPage(path: string): string | undefined {
  return existsSync(join(docs, path)) ? titleOf(readFileSync(join(docs, path), "utf8")) : undefined;
}

function itemOf(page: string): DefaultTheme.SidebarItem {
  const text = page === "index" ? "Start" : titleOf(readFileSync(join(docs, `${page}.md`), "utf8"));
  return { text, link: page === "index" ? "/" : `/${page}` };
}

function apiTopics(): readonly ApiTopic[] {
  const path = join(import.meta.dirname, ".generated/api.json");
  return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) as ApiTopic[] : [];
}
