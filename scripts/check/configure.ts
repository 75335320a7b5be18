// Configures the addon's build for another system than this one.
import { join } from "node:path";
import { root } from "../support/files.js";
import { runTool } from "../support/tools.js";

/** Runs CMake with these settings and those that every system needs. @throws BuildError CONFIGURE_FAILED. */
export async function configureFor(system: string, directory: string,
  settings: Readonly<Record<string, string>>): Promise<void> {
  const modules = join(root, "node_modules");
  const all = {
    CMAKE_BUILD_TYPE: "Release",
    NODE_ADDON_API_DIR: join(modules, "node-addon-api"),
    NODE_API_HEADERS_DIR: join(modules, "node-api-headers/include"),
    ...settings,
  };
  await runTool("cmake", ["-S", root, "-B", directory, "-G", "Ninja",
    ...Object.entries(all).map(([name, value]) => `-D${name}=${value}`)], { code: "CONFIGURE_FAILED",
    failure: `CMake could not configure the addon for ${system}`, lines: 40 });
}
