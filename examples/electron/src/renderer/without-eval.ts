// The page's content security policy forbids evaluating text as code, which zod would do for speed. Imported before any
// schema is created.
import { config } from "zod";

config({ jitless: true });
