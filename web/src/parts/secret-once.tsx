/** A secret that is shown now or never: to copy, or to take along as a file. */
import { Alert, Button, Group, Stack, Text } from '@mantine/core'
import { Download, TriangleAlert } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { registryHost } from '../app/place.ts'
import { Command } from './copy.tsx'
import { Dialog } from './form.tsx'

/** What was made, shown now or never. */
export interface MadeSecret {
  readonly login: string
  readonly secret: string
}

interface SecretDialogProps {
  readonly made: MadeSecret | undefined
  readonly close: () => void
}

/** Opens with a secret, and closes by its own button alone. */
export function SecretDialog({ made, close }: SecretDialogProps) {
  const { t } = useTranslation()
  return (
    <Dialog title={t('secret.title')} opened={made !== undefined} close={close} isHeld>
      {made !== undefined && <SecretOnce {...made} close={close} />}
    </Dialog>
  )
}

interface SecretProps {
  /** With which it signs in. */
  readonly login: string
  readonly secret: string
  readonly close: () => void
}

/** docker's own config file, which podman and Kubernetes take too. */
function configFile(login: string, secret: string): string {
  const bytes = new TextEncoder().encode(`${login}:${secret}`)
  const auth = btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''))
  return `${JSON.stringify({ auths: { [registryHost]: { auth } } }, undefined, 2)}\n`
}

function download(name: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: 'application/json' }))
  const link = document.createElement('a')
  link.href = url
  link.download = name
  link.click()
  URL.revokeObjectURL(url)
}

function SecretOnce({ login, secret, close }: SecretProps) {
  const { t } = useTranslation()
  return (
    <Stack>
      <Alert color="yellow" icon={<TriangleAlert size={17} />}>
        <Text size="sm" c="var(--mantine-color-text)">
          {t('secret.once')}
        </Text>
      </Alert>
      <div>
        <Text size="sm" mb={4}>
          {t('session.name')}
        </Text>
        <Command text={login} label={t('session.name')} />
      </div>
      <div>
        <Text size="sm" mb={4}>
          {t('secret.secret')}
        </Text>
        <Command text={secret} label={t('secret.secret')} />
      </div>
      <div>
        <Text size="sm" mb={4}>
          {t('secret.use')}
        </Text>
        <Command text={`docker login ${registryHost} -u '${login}'`} label={t('secret.use')} />
      </div>
      <Group justify="space-between">
        <Button variant="default" leftSection={<Download size={15} />} onClick={() => download('config.json', configFile(login, secret))}>
          {t('secret.download')}
        </Button>
        <Button onClick={close}>{t('secret.kept')}</Button>
      </Group>
    </Stack>
  )
}
