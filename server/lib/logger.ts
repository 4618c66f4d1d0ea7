/** The logger as the rooms see it: pino's, by type only. `logging.ts` makes it. */
import type { Logger as PinoLogger } from 'pino'

/** What rooms take to log with. Child loggers carry fields such as a request's id. */
export type Logger = PinoLogger
