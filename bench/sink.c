/* The physical limit: takes C-STOREs from sockets and writes each data set to a file of its own. It checks nothing, keeps no index
 * and makes no directory entry durable. With "sync" it calls fdatasync before it answers.
 *
 * usage: sink PORT FOLDER sync|nosync     (one process per association; ends with SIGTERM)
 *
 * It speaks just enough of PS3.7 and PS3.8 for bench/raw_client.py: accepts every presentation context in the first transfer syntax
 * proposed, answers C-ECHO and C-STORE with Success.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ASSOCIATE_RQ = 1, ASSOCIATE_AC = 2, P_DATA = 4, RELEASE_RQ = 5, RELEASE_RP = 6 };
enum { COMMAND = 1, LAST = 2 };
enum { LARGEST_PDU = 131072, C_STORE_RQ = 0x0001 };

static unsigned char pdu[LARGEST_PDU + 65536];

static void fail(const char *what) {
  perror(what);
  exit(1);
}

/* 0 when the peer has gone */
static int read_exactly(int fd, unsigned char *into, size_t length) {
  while (length) {
    ssize_t n = recv(fd, into, length, MSG_WAITALL);
    if (n <= 0) return 0;
    into += n;
    length -= (size_t)n;
  }
  return 1;
}

static void write_all(int fd, const unsigned char *from, size_t length) {
  while (length) {
    ssize_t n = write(fd, from, length);
    if (n <= 0) fail("write");
    from += n;
    length -= (size_t)n;
  }
}

static uint32_t big32(const unsigned char *at) {
  uint32_t value;
  memcpy(&value, at, 4);
  return ntohl(value);
}

static uint16_t big16(const unsigned char *at) { return (uint16_t)(at[0] << 8 | at[1]); }

static uint16_t little16(const unsigned char *at) { return (uint16_t)(at[1] << 8 | at[0]); }

static uint32_t little32(const unsigned char *at) { return (uint32_t)little16(at + 2) << 16 | little16(at); }

static void put_header(unsigned char *out, unsigned char type, uint32_t length) {
  uint32_t net = htonl(length);
  out[0] = type;
  out[1] = 0;
  memcpy(out + 2, &net, 4);
}

static void accept_association(int fd, const unsigned char *rq, size_t length) {
  static unsigned char ac[65536];
  unsigned char *out = ac + 6;
  memcpy(out, rq, 68); /* protocol version, AE titles */
  out += 68;
  for (size_t at = 68; at + 4 <= length; at += 4u + big16(rq + at + 2)) {
    const unsigned char *item = rq + at;
    if (item[0] == 0x10) { /* application context */
      size_t size = 4u + big16(item + 2);
      memcpy(out, item, size);
      out += size;
    } else if (item[0] == 0x20) { /* presentation context: id, abstract syntax, transfer syntaxes */
      const unsigned char *abstract = item + 8;
      const unsigned char *transfer = abstract + 4 + big16(abstract + 2);
      uint16_t size = (uint16_t)(4 + big16(transfer + 2));
      unsigned char head[8] = {0x21, 0, (unsigned char)((size + 4) >> 8), (unsigned char)(size + 4), item[4], 0, 0, 0};
      memcpy(out, head, 8);
      memcpy(out + 8, transfer, size);
      out += 8 + size;
    }
  }
  static const unsigned char user[] = {0x50, 0, 0, 8, 0x51, 0, 0, 4, 0, 2, 0, 0}; /* maximum length 131072 */
  memcpy(out, user, sizeof user);
  out += sizeof user;
  put_header(ac, ASSOCIATE_AC, (uint32_t)(out - ac - 6));
  write_all(fd, ac, (size_t)(out - ac));
}

static void answer(int fd, unsigned char context, uint16_t command, uint16_t message_id) {
  unsigned char out[64] = {P_DATA, 0, 0, 0, 0, 58, 0, 0, 0, 54, context, COMMAND | LAST};
  unsigned char elements[52] = {
      0, 0, 0,    0, 4, 0, 0, 0, 40, 0, 0, 0,                                 /* group length */
      0, 0, 0,    1, 2, 0, 0, 0, (unsigned char)command, 0x80,                /* (0000,0100) */
      0, 0, 0x20, 1, 2, 0, 0, 0, (unsigned char)message_id, (unsigned char)(message_id >> 8),
      0, 0, 0,    8, 2, 0, 0, 0, 1, 1,                                        /* (0000,0800) no data set */
      0, 0, 0,    9, 2, 0, 0, 0, 0, 0,                                        /* (0000,0900) Success */
  };
  memcpy(out + 12, elements, 52);
  write_all(fd, out, sizeof out);
}

static void serve(int fd, const char *folder, int sync) {
  unsigned long number = 0;
  uint16_t command = 0, message_id = 0;
  int file = -1;
  unsigned char header[6];
  while (read_exactly(fd, header, 6)) {
    uint32_t length = big32(header + 2);
    if (length > sizeof pdu || !read_exactly(fd, pdu, length)) return;
    if (header[0] == ASSOCIATE_RQ) {
      accept_association(fd, pdu, length);
    } else if (header[0] == RELEASE_RQ) {
      unsigned char reply[10] = {RELEASE_RP, 0, 0, 0, 0, 4, 0, 0, 0, 0};
      write_all(fd, reply, sizeof reply);
    } else if (header[0] == P_DATA) { /* one PDV in each, as our client sends */
      unsigned char context = pdu[4], control = pdu[5];
      if (control & COMMAND) {
        for (size_t at = 6; at + 8 <= length; at += 8 + little32(pdu + at + 4)) {
          if (little16(pdu + at + 2) == 0x0100) command = little16(pdu + at + 8);
          if (little16(pdu + at + 2) == 0x0110) message_id = little16(pdu + at + 8);
        }
        if (command != C_STORE_RQ) {
          answer(fd, context, command, message_id);
          continue;
        }
        char name[4096];
        snprintf(name, sizeof name, "%s/%d-%lu.dcm", folder, getpid(), number++);
        file = open(name, O_WRONLY | O_CREAT | O_EXCL, 0644);
        if (file < 0) fail(name);
      } else {
        write_all(file, pdu + 6, length - 6);
        if (!(control & LAST)) continue;
        if (sync && fdatasync(file)) fail("fdatasync");
        close(file);
        answer(fd, context, command, message_id);
      }
    } else {
      return;
    }
  }
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1]))};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 128)) fail("listen");
  signal(SIGCHLD, SIG_DFL);
  for (;;) {
    int fd = accept(listener, NULL, NULL);
    if (fd < 0) fail("accept");
    if (fork() == 0) {
      prctl(PR_SET_PDEATHSIG, SIGTERM);
      close(listener);
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
      serve(fd, argv[2], strcmp(argv[3], "sync") == 0);
      _exit(0);
    }
    close(fd);
  }
}
