// Lint rules: typescript-eslint's strict type-checked set for TypeScript, eslint's recommended one for scripts.
import eslint from "@eslint/js";
import { defineConfig, globalIgnores } from "eslint/config";
import tseslint from "typescript-eslint";

const nodeGlobals = Object.fromEntries(
  ["AbortController", "AbortSignal", "Buffer", "URL", "clearInterval", "clearTimeout", "console", "performance",
    "process", "setImmediate", "setInterval", "setTimeout", "structuredClone"].map((name) => [name, "readonly"]),
);

export default defineConfig(
  globalIgnores(["build/", "build-*/", "examples/electron/build/", "examples/electron/release/",
    "examples/browser/web/", "dist/", "runs/", "node_modules/", "site/"]),
  {
    linterOptions: { reportUnusedDisableDirectives: "error" },
    // Long strings stay whole, so that a message can be searched for.
    rules: {
      "max-len": ["error", { code: 120, ignoreStrings: true, ignoreTemplateLiterals: true, ignoreRegExpLiterals: true,
        ignoreUrls: true }],
    },
  },
  {
    files: ["**/*.{js,mjs}"],
    extends: [eslint.configs.recommended],
    languageOptions: { globals: nodeGlobals },
    rules: { eqeqeq: "error", "prefer-const": "error" },
  },
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: {
      parserOptions: {
        project: ["./tsconfig.json", "./examples/browser/tsconfig.json", "./examples/electron/tsconfig.json"],
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      eqeqeq: "error",
      "@typescript-eslint/consistent-type-imports": ["error", { fixStyle: "inline-type-imports" }],
      // Declarations name the interface of a large schema, where an alias would be replaced by its whole shape.
      "@typescript-eslint/no-empty-object-type": ["error", { allowInterfaces: "with-single-extends" }],
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true, allowBoolean: true }],
      "@typescript-eslint/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],
      "no-restricted-syntax": ["error", { selector: "ExportDefaultDeclaration", message: "Use named exports." }],
    },
  },
  {
    files: ["lib/**/*.ts", "scripts/**/*.{ts,mjs}", "bench/**/*.mjs", "examples/**/src/**/*.ts"],
    rules: { "max-lines-per-function": ["error", 60] },
  },
  {
    files: ["test/**/*.ts", "examples/*/test/**/*.ts"],
    rules: {
      // chai's assertions are property reads; each is an expression statement.
      "@typescript-eslint/no-unused-expressions": "off",
      // A test that reads a list it has just checked the length of says so with a bang.
      "@typescript-eslint/no-non-null-assertion": "off",
    },
  },
);
