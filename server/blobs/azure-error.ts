/** What a refusal of Azure Blob Storage means. Told by its form, so that the service's library need not be loaded to know its errors. */
import { ObjectError, type ObjectFault } from './object-backend.ts'

const faultsByCode: Readonly<Record<string, ObjectFault>> = {
  ContainerNotFound: 'refused',
  ContainerBeingDeleted: 'refused',
  ContainerDisabled: 'refused',
  InvalidBlockList: 'absent',
  InvalidBlobOrBlock: 'absent',
  BlobAlreadyExists: 'conflict',
  ConditionNotMet: 'conflict',
  ServerBusy: 'busy',
  OperationTimedOut: 'busy',
  InternalError: 'busy',
  RequestBodyTooLarge: 'refused',
}

const faultsByStatus: Readonly<Record<number, ObjectFault>> = {
  304: 'conflict',
  404: 'absent',
  408: 'passing',
  412: 'conflict',
  429: 'busy',
  501: 'unsupported',
  507: 'full',
}

/** Error of the service's library → ours. Its message names URLs with their signatures, and stays in it. */
export function faultOfAzure(error: unknown): ObjectError {
  if (error instanceof ObjectError) return error
  const { statusCode, code, response } = partsOf(error)
  if (statusCode === undefined) return new ObjectError('passing', 'the object store did not answer', { code: code ?? 'passing' })
  // An answer without a body says its code in a header.
  const header = (name: string) => response?.headers?.get?.(name)
  const word = code ?? header('x-ms-error-code') ?? String(statusCode)
  const seconds = Number(header('retry-after'))
  const more = { code: word, retryAfterMs: seconds > 0 ? seconds * 1_000 : undefined }
  return new ObjectError(faultOf(statusCode, word), `the object store answered ${statusCode} ${word}`, more)
}

/** The code says more than the status, where it is one that is known. */
function faultOf(status: number, code: string): ObjectFault {
  return faultsByCode[code] ?? faultsByStatus[status] ?? (status >= 500 ? 'busy' : 'refused')
}

interface AzureRefusal {
  readonly statusCode?: number
  readonly code?: string
  readonly response?: { readonly headers?: { readonly get?: (name: string) => string | undefined } }
}

function partsOf(error: unknown): AzureRefusal {
  return typeof error === 'object' && error !== null ? error : {}
}
