// Writes the API reference, docs/api, from lib's declarations and doc comments.
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { Application, Converter, type DeclarationReflection, ReflectionKind } from "typedoc";
import { type MarkdownApplication, MarkdownPageEvent, type MarkdownThemeContext } from "typedoc-plugin-markdown";
import type ts from "typescript";
import { REPOSITORY } from "../links.js";
import { writeIndexPages } from "./index-pages.js";
import { OptionTables, type Section } from "./option-tables.js";
import { TopicRouter } from "./router.js";
import { loadModules } from "./source-schemas.js";
import { tidied } from "./tidy.js";
import { inheritedText, takeInherited } from "./worker-page.js";

const root = resolve(import.meta.dirname, "../..");
/** Entry points and navigation, made with the pages. */
const generated = join(root, "site/.generated");
const out = join(root, "docs/api");

/** The namespace of schemas is described on a page of its own: their shapes are those of the types. */
const SCHEMAS = /^export \* as schemas from .*\n/m;

/** Copies an entry point without the schemas, importing the same modules. */
async function writeEntry(file: string, name: string): Promise<string> {
  const source = await readFile(join(root, "lib", file), "utf8");
  const folder = join("../../lib", file, "..").replaceAll("\\", "/");
  const exports = source.replace(SCHEMAS, "").replaceAll(/(?<=from ")\.\.?\/[^"]*/g,
    (path) => join(folder, path).replaceAll("\\", "/"));
  const path = join(generated, `${name.replace("/", "-")}.ts`);
  await writeFile(path, `/** @module ${name} */\n${exports}`);
  return path;
}

/** An entry point that has code of its own is exported from where it is. */
async function writeReexport(file: string, name: string): Promise<string> {
  const path = join(generated, `${name.replace("/", "-")}.ts`);
  await writeFile(path, `/** @module ${name} */\nexport * from "../../lib/${file.replace(/ts$/, "js")}";\n`);
  return path;
}

export async function generateApi(): Promise<void> {
  await rm(out, { recursive: true, force: true });
  await mkdir(generated, { recursive: true });
  await writeFile(join(generated, "tsconfig.json"),
    JSON.stringify({ extends: "../../tsconfig.build.json",
      compilerOptions: { rootDir: "../..", noEmit: true, incremental: false },
      include: ["*.ts", "../../lib/**/*.ts"] }));
  const app = await Application.bootstrapWithPlugins({
    entryPoints: [await writeEntry("index.ts", "reviewkd"), await writeReexport("worker/index.ts", "reviewkd/worker")],
    tsconfig: join(generated, "tsconfig.json"),
    plugin: ["typedoc-plugin-markdown"],
    out,
    basePath: root,
    displayBasePath: root,
    disableGit: true,
    sourceLinkTemplate: `${REPOSITORY}/blob/main/{path}#L{line}`,
    readme: "none",
    intentionallyNotExported: INTERNAL,
    excludeInternal: true,
    excludePrivate: true,
    excludeProtected: true,
    excludeExternals: true,
    sort: ["source-order"],
    validation: { notExported: true, invalidLink: true, notDocumented: false },
    treatWarningsAsErrors: true,
    ...MARKDOWN,
  }) as MarkdownApplication;
  const tables = new OptionTables(await loadModules(join(root, "lib")));
  prepare(app, tables);
  app.renderer.defineRouter("topics", TopicRouter);
  app.options.setValue("router" as never, "topics" as never);
  const project = await app.convert();
  if (project === undefined) throw new Error("lib does not compile for the API reference. Run `npm run typecheck`.");
  // typedoc reads the name from the site's own package.json.
  project.packageName = "reviewkd";
  app.validate(project);
  await app.generateOutputs(project);
  if (app.logger.hasErrors() || app.logger.hasWarnings())
    throw new Error("the API reference has the problems above. Export what is missing, or correct the comments.");
  const undescribed = tables.undescribed();
  if (undescribed.length > 0)
    throw new Error(`options without a doc comment in their schema:\n${undescribed.join("\n")}`);
  await writeIndexPages({ project, out, generated });
}

/** Types in signatures that readers need not know by name. */
const INTERNAL = ["AnnotationColumns", "AnnotationOrder", "ApiClasses", "ApiFunctions", "BatchOptionsFor", "Constant",
  "Differentiated", "ForwardArguments", "ForwardOutput", "Internal", "Loss", "Masks", "NativeMember", "Overloaded",
  "ProcessContext", "RemoteFunction", "lib/datasets/detection/segmentations.ts:Rle", "StopSignals", "TABLE",
  "Unsendable", "__global.AbortSignal"];

const MARKDOWN = {
  hidePageHeader: true,
  hideBreadcrumbs: true,
  hideGroupHeadings: false,
  useCodeBlocks: true,
  parametersFormat: "table",
  interfacePropertiesFormat: "table",
  classPropertiesFormat: "table",
  typeAliasPropertiesFormat: "table",
  typeDeclarationFormat: "table",
  propertyMembersFormat: "table",
  enumMembersFormat: "table",
  tableColumnSettings: { hideInherited: true, hideModifiers: true, hideOverrides: true, hideSources: true,
    leftAlignHeaders: true },
  pageTitleTemplates: { member: "{name}" },
  sanitizeComments: true,
};

/** Hooks into the conversion and the rendering. */
function prepare(app: MarkdownApplication, tables: OptionTables): void {
  let inherited: string[] = [];
  convertAsWritten(app);
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, (context) => {
    inherited = takeInherited(context.project, "TrainingWorker");
    // Types are still converted here, which typedoc does only while it knows their program.
    context.setActiveProgram(context.programs[0]);
    tables.fill(context);
    context.setActiveProgram(undefined);
  });
  app.renderer.on(MarkdownPageEvent.END, (page) => {
    const model = page.model as DeclarationReflection;
    const sections = tables.sectionsOf(model);
    const theme = app.renderer.theme as unknown as { getRenderContext(page: unknown): MarkdownThemeContext };
    const context = theme.getRenderContext(page);
    const added = model.name === "TrainingWorker" ? inheritedText(inherited, page.project)
      : sections.map((section) => sectionText(section, context)).join("");
    // Tables of options need the width more than their page an outline.
    const isType = model.kindOf([ReflectionKind.Interface, ReflectionKind.TypeAlias]);
    const head = isType ? "---\naside: false\n---\n\n" : "";
    page.contents = `${head}${tidied(`${page.contents}${added}`)}`;
  });
}

function sectionText({ title, text, rows }: Section, context: MarkdownThemeContext): string {
  const table = context.partials.propertiesTable(rows, { kind: ReflectionKind.Interface } as never);
  return `\n## \`${title}\`\n\n${text}\n${table}`;
}

/** Types as the source has them: types of zod have no names that the compiler could find again. */
function convertAsWritten(app: MarkdownApplication): void {
  const { converter } = app;
  const convert = converter.convertType.bind(converter);
  converter.convertType = (context, type, node?: ts.TypeNode) =>
    node === undefined ? convert(context, type as ts.Type) : convert(context, node);
}
