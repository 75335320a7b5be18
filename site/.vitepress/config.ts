// The site: the pages of docs, with the API reference that site/api writes below it.
import { defineConfig } from "vitepress";
import { anchorOf, REPOSITORY, siteLink } from "../links.js";
import { navigation, sidebars } from "../navigation.js";

export default defineConfig({
  title: "reviewkd",
  description: "Train and distill image networks from TypeScript.",
  lang: "en",
  srcDir: "../docs",
  // GitHub Pages serves a project below its name.
  base: process.env["SITE_BASE"] ?? "/reviewkd/",
  cleanUrls: true,
  metaChunk: true,
  lastUpdated: false,
  markdown: {
    anchor: { slugify: anchorOf },
    config(md) {
      const { link_open: before } = md.renderer.rules;
      md.renderer.rules["link_open"] = (tokens, index, options, env: { relativePath?: string }, self) => {
        const token = tokens[index];
        const href = token?.attrGet("href");
        if (typeof href === "string") token?.attrSet("href", siteLink(href, env.relativePath ?? ""));
        return before?.(tokens, index, options, env, self) ?? self.renderToken(tokens, index, options);
      };
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
