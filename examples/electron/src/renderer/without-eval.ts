// The page's content security policy forbids code that is made of text; zod would try that to be faster. Imported before any schema is made.
import { config } from "zod";

config({ jitless: true });
