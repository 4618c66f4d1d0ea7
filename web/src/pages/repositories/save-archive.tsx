/** An image as one file. The browser saves it as it comes; whether it will come is asked before, so that a refusal is told here. */
import { Button, Group, Stack, Text } from '@mantine/core'
import { Download } from 'lucide-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { addressOf } from '../../api/address.ts'
import { client } from '../../api/client.ts'
import { exportImage } from '../../api/routes.ts'
import { Problem } from '../../parts/problem.tsx'
import { useTry } from '../../parts/use-try.ts'

interface SaveProps {
  readonly repository: string
  readonly reference: string
  readonly isChart: boolean
}

type Format = 'docker' | 'oci'

export function SaveArchive({ repository, reference, isChart }: SaveProps) {
  const { t } = useTranslation()
  const [format, setFormat] = useState<Format>()
  const { error, isBusy, attempt } = useTry()
  const formats: readonly Format[] = isChart ? ['oci'] : ['docker', 'oci']
  const save = (wanted: Format) => {
    setFormat(wanted)
    attempt(() => saveArchive({ repository, reference, format: wanted }))
  }
  return (
    <div>
      <Text size="xs" c="dimmed" mb={4}>
        {t('archive.save')}
      </Text>
      <Group gap="xs" grow>
        {formats.map((each) => (
          <Button
            key={each}
            variant="default"
            size="compact-md"
            h="auto"
            py={6}
            leftSection={<Download size={14} />}
            loading={isBusy && format === each}
            disabled={isBusy}
            onClick={() => save(each)}
            justify="flex-start"
          >
            <Stack gap={0} align="flex-start">
              <Text size="xs" fw={500} style={{ whiteSpace: 'normal' }} ta="left">
                {t(`archive.${each}`)}
              </Text>
              <Text size="xs" c="dimmed" style={{ whiteSpace: 'normal' }} ta="left">
                {t(`archive.${each}Text`)}
              </Text>
            </Stack>
          </Button>
        ))}
      </Group>
      {error !== undefined && (
        <div style={{ marginTop: 8 }}>
          <Problem error={error} />
        </div>
      )}
    </div>
  )
}

interface Wanted {
  readonly repository: string
  readonly reference: string
  readonly format: Format
}

async function saveArchive({ repository, reference, format }: Wanted): Promise<void> {
  const address = addressOf(exportImage, { repository, reference }, { format })
  const { ok } = await fetch(address, { method: 'HEAD' })
  // The refusal of a HEAD has no words: the same is asked again for them, and left at once where it is granted after all.
  if (!ok) {
    const stream = await client.stream(exportImage, { params: { repository, reference }, query: { format } })
    await stream.cancel()
  }
  const link = document.createElement('a')
  link.href = address
  link.download = ''
  link.click()
}
