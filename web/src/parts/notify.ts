import { notifications, type NotificationData } from '@mantine/notifications'
import i18next from 'i18next'

/** Shows a notification whose button to close it has a name. */
export function notify(data: NotificationData): void {
  notifications.show({ closeButtonProps: { 'aria-label': i18next.t('common.close') }, ...data })
}
