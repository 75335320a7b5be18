// The site: the pages of docs, with the API reference that site/api writes below it.
import { defineConfig } from "vitepress";
import { adaptLinks, anchorOf, BASE, REPOSITORY } from "../links.js";
import { navigation, sidebars, titleOfPage } from "../navigation.js";

/** A large network and the small one within it. */
const ICON =
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><circle cx="16" cy="16" r="15" fill="#3451b2"/>'
  + '<circle cx="16" cy="16" r="6" fill="#fff"/></svg>';

export default defineConfig({
  title: "reviewkd",
  description: "Train and distill image networks from TypeScript.",
  lang: "en",
  srcDir: "../docs",
  base: BASE,
  cleanUrls: true,
  head: [["link", { rel: "icon", href: `data:image/svg+xml,${encodeURIComponent(ICON)}` }]],
  metaChunk: true,
  lastUpdated: false,
  markdown: {
    anchor: { slugify: anchorOf },
    config(md) {
      md.core.ruler.push("adapt-links", ({ tokens, env }) => {
        const { relativePath = "" } = env as { relativePath?: string };
        for (const { children } of tokens) adaptLinks(children ?? [], relativePath, titleOfPage);
      });
    },
  },
  themeConfig: {
    nav: navigation(),
    sidebar: sidebars(),
    outline: [2, 3],
    search: { provider: "local" },
    socialLinks: [{ icon: "github", link: REPOSITORY }],
    editLink: { pattern: `${REPOSITORY}/edit/main/docs/:path`, text: "Edit this page on GitHub" },
  },
  vite: { resolve: { preserveSymlinks: true } },
});
