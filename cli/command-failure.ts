/** A failure that is said in full by its own sentence: what happened, and what to do. */
export class CommandFailure extends Error {
  override readonly name = 'CommandFailure'
}

/** The server does not answer: the request may be sent again later. */
export class Unreachable extends CommandFailure {}

/** There is no credential, a wrong one, or one that is not enough. */
export class NotLetIn extends CommandFailure {}

/** There is nothing of that name, or the caller may not see it. */
export class NothingThere extends CommandFailure {}

/** The command was not said as its `--help` tells, or nobody is there to confirm it: nothing was tried. */
export class WrongUsage extends CommandFailure {}
