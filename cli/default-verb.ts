/** The help of a command that does something without a verb, too. */
import { Help, type Command } from 'commander'

/**
 * Makes the help of `command` show the arguments and options of `verb`, which is what runs when no verb is said: whoever types
 * `registry garbage-collect --help` finds what registry:2's help shows.
 */
export function showDefaultVerb(command: Command, verb: Command): void {
  const own = new Help()
  const isIt = (asked: Command) => asked === command
  // Verbs take over what was configured before they were made.
  command.configureHelp({
    commandUsage: (asked) =>
      isIt(asked)
        ? `${own.commandUsage(verb).replace(` ${verb.name()} `, ' ')}\n       ${own.commandUsage(asked)}`
        : own.commandUsage(asked),
    visibleArguments: (asked) => own.visibleArguments(isIt(asked) ? verb : asked),
    visibleOptions: (asked) => own.visibleOptions(isIt(asked) ? verb : asked),
  })
}
