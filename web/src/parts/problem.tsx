/** What went wrong, as a sentence with the id of the request. */
import { ApiProblem } from '#api/client.ts'
import { Alert, Button, Group, Text } from '@mantine/core'
import i18next from 'i18next'
import { CircleAlert } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { Cancelled } from '../api/elevation-request.ts'
import { en } from '../locales/codes.ts'
import { notify } from './notify.ts'
import { Said } from './said.ts'

/** In the reader's language as far as it goes; the server's own words, which tell more, where they add something. */
export function sentencesOf(error: unknown): {
  readonly title: string
  readonly detail: string | undefined
  readonly requestId: string | undefined
} {
  if (error instanceof Said) return { title: error.message, detail: undefined, requestId: undefined }
  if (!(error instanceof ApiProblem)) return { title: i18next.t('problem.unreachable'), detail: undefined, requestId: undefined }
  const { code, message, requestId } = error
  const known = code in en ? i18next.t(`codes.${code as keyof typeof en}`) : undefined
  if (known === undefined) return { title: capital(message), detail: undefined, requestId }
  const isSame = i18next.language === 'en'
  return isSame ? { title: capital(message), detail: undefined, requestId } : { title: known, detail: message, requestId }
}

function capital(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1)
}

export function Problem({ error, retry }: { readonly error: unknown; readonly retry?: (() => void) | undefined }) {
  const { t } = useTranslation()
  const { title, detail, requestId } = sentencesOf(error)
  return (
    <Alert color="red" variant="light" icon={<CircleAlert size={18} />} role="alert" radius="lg">
      <Text size="sm" c="var(--mantine-color-text)" className="wrap">
        {title}
      </Text>
      {detail !== undefined && (
        <Text size="sm" lang="en" c="var(--mantine-color-text)" className="wrap">
          {detail}
        </Text>
      )}
      {(requestId !== undefined || retry !== undefined) && (
        <Group gap="sm" mt={6} justify="space-between">
          <Text size="xs" c="var(--mantine-color-text)" className="mono wrap">
            {requestId === undefined ? '' : t('problem.request', { id: requestId })}
          </Text>
          {retry !== undefined && (
            <Button size="compact-xs" variant="default" onClick={retry}>
              {t('common.tryAgain')}
            </Button>
          )}
        </Group>
      )}
    </Alert>
  )
}

/** Tells of a change that was refused; silent where the person themselves gave it up. */
export function tellProblem(error: unknown): void {
  if (error instanceof Cancelled) return
  const { title, detail, requestId } = sentencesOf(error)
  notify({
    color: 'red',
    autoClose: 12_000,
    title,
    message: [detail, requestId === undefined ? undefined : i18next.t('problem.request', { id: requestId })].filter(Boolean).join(' · '),
  })
}

/** Tells that something was done. */
export function tell(title: string, message = ''): void {
  notify({ color: 'tide', title, message })
}
