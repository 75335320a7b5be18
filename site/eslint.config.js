// The rules of the checkout, for the site's own sources: `npm run lint` leaves them out, since their packages are
// installed only for the site.
import config from "../eslint.config.js";

const withSite = config.map(({ ignores, ...rest }) =>
  ignores === undefined || Object.keys(rest).some((key) => key !== "name") ? { ...rest, ...(ignores && { ignores }) }
    : { ...rest,
      ignores: ["site/node_modules/", "site/.generated/", "site/.vitepress/cache/", "site/.vitepress/dist/"] }
);

/** VitePress reads the default exports of its configuration and theme. */
const vitepress = { files: ["site/.vitepress/**/*.ts"], rules: { "no-restricted-syntax": "off" } };

export default [...withSite.map((entry) =>
  entry.languageOptions?.parserOptions?.project === undefined ? entry : {
    ...entry,
    languageOptions: { ...entry.languageOptions,
      parserOptions: { project: ["./site/tsconfig.json"], tsconfigRootDir: `${import.meta.dirname}/..` } },
  }
), vitepress];
