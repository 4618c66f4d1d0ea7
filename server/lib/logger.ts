/** The logger as the rooms see it: pino's, by type only. `logging.ts` makes it. */
import type { Logger as PinoLogger } from 'pino'

export type Logger = PinoLogger
